/* Events of a page: numbered, stored in the browser, sent until the server has them.
   Used by trial.js and page.js, which report what happened. */
"use strict";
const earwitness = {
  /* Storage may be switched off or full: then the page works, but forgets everything on reload. */
  storage: {
    get(key) { try { return JSON.parse(localStorage.getItem(key)); } catch { return null; } },
    set(key, value) { try { localStorage.setItem(key, JSON.stringify(value)); } catch { /* full */ } },
    remove(key) { try { localStorage.removeItem(key); } catch { /* off */ } },
    keys(start) { try { return Object.keys(localStorage).filter((key) => key.startsWith(start)); } catch { return []; } },
  },

  FIRST_WAIT_MS: 500,
  LONGEST_WAIT_MS: 15000,
  MOST_REFUSALS: 12, // 5xx and 429 responses in a row, about two minutes: more than a restart

  /* A request that fails when no response comes for a while. Redirects are not followed: the server
     never redirects a script, and what a redirect leads to is for the browser to show. */
  post(url, body, type, csrf) {
    const REQUEST_MS = 12000;
    const stop = new AbortController();
    const limit = setTimeout(() => stop.abort(), REQUEST_MS);
    const headers = { Accept: "application/json", "Content-Type": type, "X-CSRFToken": csrf };
    return fetch(url, { method: "POST", body, headers, keepalive: true, redirect: "manual", signal: stop.signal })
      .finally(() => clearTimeout(limit));
  },

  /* Retries until `attempt` returns true, waiting longer each time, or until the browser is online. */
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

  /* Sends a form until the server has responded, calling `body` before each try for what to send.
     Returns the status and the JSON of the response; `said` is null if the response is not JSON. */
  async deliver({ url, form, body, onFailure }) {
    const csrf = form.elements.csrfmiddlewaretoken.value;
    const answer = { status: 0, said: null };
    let refusals = 0;
    await earwitness.insist(async () => {
      try {
        const response = await earwitness.post(url, await body(), "application/x-www-form-urlencoded", csrf);
        answer.status = response.status;
        if (response.status >= 500 || response.status === 429) return ++refusals >= earwitness.MOST_REFUSALS;
        // WebKit's json() rejects with a DOMException, not with a SyntaxError.
        answer.said = JSON.parse(await response.text());
      } catch (error) {
        if (error.status) answer.status = error.status;
        return Boolean(error.status) || error instanceof SyntaxError;
      }
      return true;
    }, onFailure);
    return answer;
  },

  /* After a response that is not JSON: a page that is out of date, whose token or participation the
     server no longer knows, is reloaded; anything else is shown by the browser. */
  leave(form, status) {
    const key = `earwitness:${form.dataset.slug}:reloaded`;
    const AGAIN_MS = 60000;
    const isOutOfDate = status === 403 || status === 404;
    if (isOutOfDate && Date.now() - (earwitness.storage.get(key) || 0) > AGAIN_MS) {
      earwitness.storage.set(key, Date.now());
      location.reload();
    } else {
      form.submit();
    }
  },

  /* The queue of one page of one trial; `onHeard` is told which sounds the server counts as heard. */
  events({ url, csrf, prefix, trial, onHeard }) {
    const { storage, post, FIRST_WAIT_MS, LONGEST_WAIT_MS } = earwitness;
    const BATCH = 100; // the server accepts at most 200
    const SOON_MS = 20000;
    const pageId = Array.from(crypto.getRandomValues(new Uint8Array(8)), (b) => b.toString(16).padStart(2, "0")).join("");
    const queueKey = `${prefix}events:${pageId}`;
    let queue = [];
    let count = 0;
    let sending = null;
    let timer = 0;
    let wait = FIRST_WAIT_MS;

    for (const key of storage.keys(`${prefix}events:`)) {
      queue.push(...(storage.get(key) || [])); // left by a page that was closed before they were confirmed
      storage.remove(key);
    }
    if (queue.length) sendLater(0); // what was heard then counts on this page

    function note(type, clip, value) {
      const event = { trial, type, at_ms: Math.round(performance.now()), sequence: `${pageId}-${count++}` };
      if (clip) event.clip = clip;
      if (value !== undefined) event.value = Math.round(value);
      queue.push(event);
      keep();
      sendLater(SOON_MS); // or with the answer, which usually comes before
    }

    function keep() {
      if (queue.length) storage.set(queueKey, queue); else storage.remove(queueKey);
    }

    function sendLater(ms) {
      if (!timer) timer = setTimeout(() => { timer = 0; flush().catch(() => {}); }, ms);
    }

    /* Sends everything in the queue. Fails if the server cannot be reached, or no longer knows the page:
       then the error has the response's status, and the queue is kept for when the page is reloaded. */
    function flush() {
      sending ??= sendAll().finally(() => { sending = null; });
      return sending;
    }

    async function sendAll() {
      try {
        while (queue.length) await sendBatch(queue.slice(0, BATCH));
        wait = FIRST_WAIT_MS;
      } catch (error) {
        if (error.status) throw error;
        sendLater(wait);
        wait = Math.min(2 * wait, LONGEST_WAIT_MS);
        throw error;
      }
    }

    async function sendBatch(batch) {
      const response = await post(url, JSON.stringify(batch), "application/json", csrf);
      const status = response.type === "opaqueredirect" ? 302 : response.status;
      if ([302, 403, 404].includes(status)) throw Object.assign(new Error(`events: ${status}`), { status });
      // Events that the server will never accept must not block those after them.
      const isHopeless = status === 400 || status === 413;
      if (!response.ok && !isHopeless) throw new Error(`events: ${status}`);
      const said = isHopeless ? null : await response.json();
      drop(batch.map((event) => event.sequence));
      if (said) onHeard(said.heard || {});
    }

    /* Forgets events that the server has, or will never take. */
    function drop(sequences) {
      const done = new Set(sequences);
      queue = queue.filter((event) => !done.has(event.sequence));
      keep();
    }

    /* What is left to send along with the answer, as JSON: the server must know what was heard before
       it takes the answer. Fails like `flush` where it is too much for that. */
    async function rest() {
      if (queue.length > BATCH) await flush();
      return JSON.stringify(queue);
    }

    return { note, flush, rest, drop };
  },
};
