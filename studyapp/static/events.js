/* Events of a page and its storage: numbered, kept in the browser, sent until the server has them.
   Used by trial.js and page.js, which say what happened. */
"use strict";
const earwitness = {
  /* Storage that may be switched off or full: then the page works, it only forgets on reload. */
  storage: {
    get(key) { try { return JSON.parse(localStorage.getItem(key)); } catch { return null; } },
    set(key, value) { try { localStorage.setItem(key, JSON.stringify(value)); } catch { /* full */ } },
    remove(key) { try { localStorage.removeItem(key); } catch { /* off */ } },
    keys(start) { try { return Object.keys(localStorage).filter((key) => key.startsWith(start)); } catch { return []; } },
  },

  FIRST_WAIT_MS: 500,
  LONGEST_WAIT_MS: 15000,

  /* A request that counts as failed when no answer comes for a while. */
  post(url, body, type, csrf) {
    const REQUEST_MS = 12000;
    const stop = new AbortController();
    const limit = setTimeout(() => stop.abort(), REQUEST_MS);
    const headers = { Accept: "application/json", "Content-Type": type, "X-CSRFToken": csrf };
    return fetch(url, { method: "POST", body, headers, keepalive: true, signal: stop.signal })
      .finally(() => clearTimeout(limit));
  },

  /* Tries until `attempt` gives true, waiting longer each time; back online, it does not wait. */
  async insist(attempt, onFailure) {
    const { FIRST_WAIT_MS, LONGEST_WAIT_MS } = earwitness;
    for (let wait = FIRST_WAIT_MS; !(await attempt()); wait = Math.min(2 * wait, LONGEST_WAIT_MS)) {
      onFailure();
      await new Promise((resolve) => {
        const timer = setTimeout(done, wait);
        function done() { clearTimeout(timer); removeEventListener("online", done); resolve(); }
        addEventListener("online", done);
      });
    }
  },

  /* The queue of one page of one trial; `onHeard` gets what the server counts as heard. */
  events({ url, csrf, prefix, trial, onHeard }) {
    const { storage, post, FIRST_WAIT_MS, LONGEST_WAIT_MS } = earwitness;
    const BATCH = 100; // of at most 200 that the server takes
    const pageId = Array.from(crypto.getRandomValues(new Uint8Array(8)), (b) => b.toString(16).padStart(2, "0")).join("");
    const queueKey = `${prefix}events:${pageId}`;
    let queue = [];
    let count = 0;
    let sending = null;
    let timer = 0;
    let wait = FIRST_WAIT_MS;

    for (const key of storage.keys(`${prefix}events:`)) {
      queue.push(...(storage.get(key) || [])); // left by a page that was closed before it was sure
      storage.remove(key);
    }

    function note(type, clip, value) {
      const event = { trial, type, at_ms: Math.round(performance.now()), sequence: `${pageId}-${count++}` };
      if (clip) event.clip = clip;
      if (value !== undefined) event.value = Math.round(value);
      queue.push(event);
      keep();
      sendLater(type === "ended" ? 0 : 2000);
    }

    function keep() {
      if (queue.length) storage.set(queueKey, queue); else storage.remove(queueKey);
    }

    function sendLater(ms) {
      if (ms === 0) { clearTimeout(timer); timer = 0; }
      if (!timer) timer = setTimeout(() => { timer = 0; flush().catch(() => {}); }, ms);
    }

    /* Sends all that waits; fails if the server cannot be reached. */
    function flush() {
      sending ??= sendAll().finally(() => { sending = null; });
      return sending;
    }

    async function sendAll() {
      try {
        while (queue.length) await sendBatch(queue.slice(0, BATCH));
        wait = FIRST_WAIT_MS;
      } catch (error) {
        sendLater(wait);
        wait = Math.min(2 * wait, LONGEST_WAIT_MS);
        throw error;
      }
    }

    async function sendBatch(batch) {
      const response = await post(url, JSON.stringify(batch), "application/json", csrf);
      // What the server will never take must not block what comes after it.
      if (!response.ok && response.status !== 400) throw new Error(`events: ${response.status}`);
      const sent = new Set(batch.map((event) => event.sequence));
      queue = queue.filter((event) => !sent.has(event.sequence));
      keep();
      if (response.ok) onHeard((await response.json()).heard);
    }

    return { note, flush };
  },
};
