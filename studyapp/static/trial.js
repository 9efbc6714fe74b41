/* The trial's page: players, what happens on it, the answer's safe way to the server.
   The server decides what counts as heard and answered; this page only keeps and repeats what it has
   to say until the server has confirmed it. Without this script the form still posts. */
"use strict";
(() => {
  const form = document.getElementById("answer");
  if (!form) return;
  const strings = JSON.parse(document.getElementById("strings").textContent);
  const controls = document.getElementById("controls");
  const saving = document.getElementById("saving");
  const trial = form.elements.trial.value;
  const csrf = form.elements.csrfmiddlewaretoken.value;
  const prefix = `earwitness:${form.dataset.slug}:`;
  const draftKey = `${prefix}draft:${trial}`;
  const { storage, post, FIRST_WAIT_MS, LONGEST_WAIT_MS } = earwitness;

  const text = (name, values = {}) => strings[name].replace(/\{(\w+)\}/g, (_, key) => values[key]);
  const say = (message) => { document.getElementById("spoken").textContent = message; };
  const pause = (ms) => new Promise((resolve) => {
    const timer = setTimeout(done, ms);
    function done() { clearTimeout(timer); removeEventListener("online", done); resolve(); }
    addEventListener("online", done); // back online: do not wait any longer
  });

  const { note, flush } = earwitness.events({
    url: form.dataset.events, csrf, prefix, trial, onHeard: (heard) => showHeard(heard),
  });

  /* Players. */
  class Player {
    constructor(root) {
      this.root = root;
      this.number = Number(root.dataset.clip);
      this.seconds = Number(root.dataset.seconds);
      this.peaks = root.dataset.peaks.split(" ").map(Number);
      this.audio = root.querySelector("audio");
      this.button = root.querySelector("button");
      this.slider = root.querySelector("input");
      this.state = root.querySelector(".player-state");
      this.heardMs = 0;
      this.last = 0;
      this.retries = 0;
      root.querySelector(".outline").setAttribute("d", this.bars(1));
      this.listen();
    }

    get heard() { return this.root.classList.contains("heard"); }
    get playing() { return !this.audio.paused && !this.audio.ended; }

    listen() {
      const on = (target, type, handle) => target.addEventListener(type, handle.bind(this));
      on(this.button, "click", this.toggle);
      on(this.slider, "input", this.seek);
      on(this.slider, "change", () => note("seek", this.number, 1000 * this.slider.value));
      on(this.audio, "play", this.started);
      on(this.audio, "pause", this.paused);
      on(this.audio, "timeupdate", this.moved);
      on(this.audio, "seeking", () => { this.last = this.audio.currentTime; });
      on(this.audio, "seeked", () => { this.last = this.audio.currentTime; this.draw(); });
      on(this.audio, "ended", this.ended);
      on(this.audio, "error", this.failed);
      on(this.audio, "canplaythrough", loadAhead);
      if (this.audio.error) this.failed();
    }

    toggle() {
      active = this;
      if (this.playing) { this.audio.pause(); return; }
      for (const other of players) if (other !== this) other.audio.pause();
      if (this.audio.error) this.audio.load();
      this.audio.play().catch(() => {}); // a refusal shows as an error event or as a player at rest
    }

    seek() {
      // Chromium can fail on a jump into the last frames of a short FLAC file.
      const last = Math.max(0, this.seconds - 0.5);
      this.audio.currentTime = Math.min(Number(this.slider.value), last);
      this.draw();
    }

    started() {
      this.last = this.audio.currentTime;
      this.root.classList.remove("failed");
      note("play", this.number, 1000 * this.audio.currentTime);
      this.show();
      this.animate();
    }

    paused() {
      this.moved();
      if (!this.audio.ended) note("pause", this.number, 1000 * this.audio.currentTime);
      this.tell();
      this.show();
    }

    /* Counts sound that was played; a jump is no sound. */
    moved() {
      const step = this.audio.currentTime - this.last;
      if (!this.audio.seeking && step > 0 && step < 2) this.heardMs += 1000 * step;
      this.last = this.audio.currentTime;
      if (this.heardMs >= 5000) this.tell();
      this.draw();
    }

    tell() {
      if (this.heardMs >= 1) note("heard", this.number, this.heardMs);
      this.heardMs = 0;
    }

    ended() {
      this.moved();
      this.tell();
      if (this.covered() >= this.seconds - Math.max(0.25, 0.03 * this.seconds)) {
        note("ended", this.number);
        this.root.classList.add("heard");
        if (!submitting) showSaving("");
        say(text("soundHeard", { n: this.number }));
      } else if (!this.heard) {
        this.state.textContent = text("skipped");
        say(text("soundSkipped", { n: this.number }));
      }
      this.audio.currentTime = 0;
      this.last = 0;
      this.show(!this.heard);
    }

    /* Seconds of this sound that were played since the page was opened, each counted once. */
    covered() {
      const { played } = this.audio;
      let sum = 0;
      for (let i = 0; i < played.length; i++) sum += played.end(i) - played.start(i);
      return sum;
    }

    failed() {
      note("error", this.number);
      this.root.classList.add("failed");
      this.state.textContent = text("failed");
      say(text("soundFailed", { n: this.number }));
      if (this.retries < 5) setTimeout(() => this.audio.load(), 1000 * 2 ** this.retries++);
    }

    animate() {
      this.draw();
      if (this.playing) requestAnimationFrame(() => this.animate());
    }

    show(keepState = false) {
      this.root.classList.toggle("playing", this.playing);
      this.button.setAttribute("aria-label", text(this.playing ? "pause" : "play", { n: this.number }));
      if (!keepState && !this.playing && !this.root.classList.contains("failed")) {
        this.state.textContent = text(this.heard ? "heard" : "unheard");
      }
    }

    draw() {
      const now = this.audio.currentTime;
      this.root.querySelector(".played").setAttribute("d", this.bars(now / this.seconds));
      this.slider.value = now;
      const values = { now: Math.floor(now), all: Math.round(this.seconds) };
      this.slider.setAttribute("aria-valuetext", text("position", values));
      if (this.playing) this.state.textContent = `${values.now} / ${values.all} s`;
    }

    bars(share) {
      const step = 600 / this.peaks.length;
      const shown = this.peaks.slice(0, Math.round(share * this.peaks.length));
      return shown.map((peak, i) => {
        const half = Math.max(1, 0.4 * peak);
        return `M${((i + 0.5) * step).toFixed(1)} ${(50 - half).toFixed(1)}v${(2 * half).toFixed(1)}`;
      }).join("");
    }
  }

  let active = null;
  let aheadLoaded = false;
  const players = Array.from(document.querySelectorAll(".player"), (root) => new Player(root));
  const allHeard = () => players.every((player) => player.heard);

  function showHeard(byTrial) {
    for (const player of players) {
      if ((byTrial[trial] || []).includes(player.number)) { player.root.classList.add("heard"); player.show(); }
    }
  }

  /* The player that the space bar means: the one in use, else the first that was not heard. */
  function current() {
    if (active && (active.playing || !active.heard)) return active;
    return players.find((player) => !player.heard) || active || players[0];
  }

  /* The next trial's sounds go into the browser's cache once this trial's are there. */
  function loadAhead() {
    if (aheadLoaded || !players.every((player) => player.audio.readyState >= 4)) return;
    aheadLoaded = true;
    for (const url of form.dataset.ahead.split(" ").filter(Boolean)) fetch(url, { priority: "low" }).catch(() => {});
  }

  /* The answer: kept in storage from the first click on until the server has it. */
  let submitting = false;

  function fields() {
    const data = new FormData(form);
    return { choice: data.get("choice"), confidence: data.get("confidence"), free_text: data.get("free_text") };
  }

  function restore() {
    for (const key of storage.keys(`${prefix}draft:`)) if (key !== draftKey) storage.remove(key);
    const draft = storage.get(draftKey);
    if (!draft) return;
    for (const name of ["choice", "confidence"]) {
      const radio = form.querySelector(`input[name="${name}"][value="${Number(draft[name])}"]`);
      if (radio && !form.querySelector(`input[name="${name}"]:checked`)) radio.checked = true;
    }
    if (!form.elements.free_text.value) form.elements.free_text.value = draft.free_text || "";
    if (draft.sent && form.checkValidity()) submit(); // it was on its way when the page was closed
  }

  function showSaving(state) {
    saving.dataset.state = state;
    saving.textContent = state ? text(state) : "";
  }

  function refuse(errors) {
    for (const name of ["choice", "confidence", "free_text"]) {
      document.getElementById(`${name.replace("_", "-")}-error`).textContent = (errors[name] || [""])[0];
    }
    showSaving("");
    if (errors.form) { saving.dataset.state = "failing"; saving.textContent = errors.form[0]; }
  }

  async function submit() {
    if (!allHeard()) {
      refuse({ form: [text("listenFirst")] });
      players.find((player) => !player.heard).button.focus();
      return;
    }
    for (const player of players) player.audio.pause();
    const body = new URLSearchParams(new FormData(form)).toString();
    storage.set(draftKey, { ...fields(), sent: true });
    submitting = true;
    controls.disabled = true;
    showSaving("saving");
    for (let wait = FIRST_WAIT_MS; !(await attempt(body)); wait = Math.min(2 * wait, LONGEST_WAIT_MS)) {
      showSaving("failing");
      await pause(wait);
    }
  }

  /* True when there is an answer of the server, whatever it says; false to try again. */
  async function attempt(body) {
    let response;
    let answer;
    try {
      await flush(); // what was heard must be known before the answer comes
      response = await post(form.action, body, "application/x-www-form-urlencoded", csrf);
      if (response.status >= 500 || response.status === 429) return false;
      answer = await response.json();
    } catch (error) {
      if (!response) return false;
      leavePlainly(); // an answer that this script does not understand: let the browser show it
      return true;
    }
    finish(answer);
    return true;
  }

  function finish(answer) {
    if (answer.next) {
      storage.remove(draftKey);
      showSaving("saved");
      location.assign(answer.next);
      return;
    }
    submitting = false;
    controls.disabled = false;
    storage.set(draftKey, fields());
    players.forEach((player) => player.root.classList.remove("heard"));
    showHeard(answer.heard || {});
    players.forEach((player) => player.show());
    refuse(answer.errors || {});
  }

  function leavePlainly() {
    controls.disabled = false;
    form.submit();
  }

  form.addEventListener("submit", (event) => {
    event.preventDefault();
    if (!submitting) submit();
  });
  form.addEventListener("input", () => { if (!submitting) storage.set(draftKey, fields()); });

  document.addEventListener("keydown", (event) => {
    const target = event.target;
    if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
    if (target.matches("textarea")) return;
    if (event.key === " ") {
      if (target.closest("button, a")) return;
      if (target.type === "radio" && !target.checked) return; // there, space chooses
      event.preventDefault();
      const own = players.find((player) => player.root.contains(target));
      (own || current()).toggle();
    } else if (/^[1-5]$/.test(event.key) && !submitting) {
      const radio = form.querySelector(`input[name="choice"][value="${event.key}"]`);
      radio.focus();
      radio.click();
    }
  });

  let first = true;
  for (const type of ["pointerdown", "keydown"]) {
    addEventListener(type, () => { if (first) { first = false; note("first_interaction"); } }, true);
  }

  let hiddenAt = 0;
  document.addEventListener("visibilitychange", () => {
    if (document.hidden) {
      hiddenAt = performance.now();
      note("hidden");
      flush().catch(() => {}); // the page may not come back
    } else {
      note("visible", null, performance.now() - hiddenAt);
    }
  });
  addEventListener("pagehide", () => {
    players.forEach((player) => player.tell());
    flush().catch(() => {});
  });
  // A page from the back-forward cache shows a trial that may be answered: ask the server.
  addEventListener("pageshow", (event) => { if (event.persisted) location.reload(); });
  // Another tab's answer to this trial was saved.
  addEventListener("storage", (event) => {
    if (event.key === draftKey && event.newValue === null && !submitting) location.reload();
  });
  addEventListener("beforeunload", (event) => {
    if (saving.dataset.state === "failing" && submitting) event.preventDefault();
  });

  note("shown");
  loadAhead();
  restore();
})();
