/* A page's players: play, pause, seek, one at a time; what happens is reported to `note`. */
"use strict";
earwitness.strings = () => {
  const strings = JSON.parse(document.getElementById("strings").textContent);
  return (name, values = {}) => strings[name].replace(/\{(\w+)\}/g, (_, key) => values[key]);
};

earwitness.players = ({ note = () => {}, onReady = () => {}, onHeard = () => {} } = {}) => {
  const text = earwitness.strings();
  const say = (message) => { document.getElementById("spoken").textContent = message; };
  let active = null;

  class Player {
    constructor(root) {
      this.root = root;
      this.number = Number(root.dataset.clip);
      this.seconds = Number(root.dataset.seconds);
      // Only if the study draws outlines: elsewhere the bar shows progress and nothing of the sound.
      this.peaks = root.dataset.peaks ? root.dataset.peaks.split(" ").map(Number) : null;
      root.classList.toggle("outlined", this.peaks !== null);
      this.audio = root.querySelector("audio");
      this.button = root.querySelector("button");
      this.slider = root.querySelector("input");
      this.state = root.querySelector(".player-state");
      this.message = root.querySelector(".player-message");
      this.heardMs = 0;
      this.allMs = Number(root.dataset.heardMs || 0); // on earlier visits too, where the study has a rule
      const { mostPlays, fromStart } = root.parentElement.dataset;
      this.mostPlays = Number(mostPlays || 0); // 0: no limit
      this.fromStart = fromStart !== undefined;
      this.starts = Number(root.dataset.starts || 0);
      this.slider.disabled = this.fromStart || this.mostPlays > 0; // a limit means nothing if one can go back
      this.wasPlayed = false;
      this.last = 0;
      this.retries = 0;
      root.querySelector(".outline").setAttribute("d", this.bars(1));
      this.listen();
      this.show();
    }

    get heard() { return this.root.classList.contains("heard"); }
    /* A sound that was not heard to the end can always be played: otherwise nobody could go on. */
    get playsLeft() { return this.mostPlays ? Math.max(0, this.mostPlays - this.starts) : Infinity; }
    get isSpent() { return this.heard && this.playsLeft === 0 && this.audio.currentTime === 0; }
    get playing() { return !this.audio.paused && !this.audio.ended; }
    /* A browser that loads nothing before the first tap is not loading. */
    get loading() {
      const { networkState, readyState, NETWORK_LOADING, HAVE_FUTURE_DATA } = this.audio;
      return readyState < HAVE_FUTURE_DATA && (this.playing || networkState === NETWORK_LOADING);
    }

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
      on(this.audio, "canplay", this.recovered);
      for (const type of ["canplay", "suspend", "waiting", "playing"]) on(this.audio, type, this.show);
      on(this.audio, "canplaythrough", onReady);
      if (this.audio.error) this.failed();
    }

    toggle() {
      active = this;
      if (this.playing) { this.audio.pause(); return; }
      if (this.isSpent) { say(text("noPlays")); return; }
      for (const other of players) if (other !== this) other.audio.pause();
      if (this.audio.error) this.audio.load();
      this.audio.play().catch(() => {}); // a rejection shows as an error event or as a player that does not start
    }

    seek() {
      // Chromium can fail on a jump into the last frames of a short FLAC file.
      const last = Math.max(0, this.seconds - 0.5);
      this.audio.currentTime = Math.min(Number(this.slider.value), last);
      this.draw();
    }

    started() {
      this.last = this.audio.currentTime;
      this.wasPlayed = true;
      if (this.audio.currentTime === 0) this.starts += 1;
      this.root.classList.remove("failed", "skipped");
      this.warn("");
      note("play", this.number, 1000 * this.audio.currentTime);
      this.show();
      this.animate();
    }

    paused() {
      this.moved();
      if (!this.audio.ended) note("pause", this.number, 1000 * this.audio.currentTime);
      this.tell();
      if (this.fromStart && !this.audio.ended) { this.audio.currentTime = 0; this.last = 0; }
      this.show();
    }

    /* Adds up the sound that was played; a jump does not count. */
    moved() {
      const step = this.audio.currentTime - this.last;
      if (!this.audio.seeking && step > 0 && step < 2) { this.heardMs += 1000 * step; this.allMs += 1000 * step; }
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
        this.warn("");
        onHeard(this);
        say(text("soundHeard", { n: this.number }));
      } else if (!this.heard) {
        this.root.classList.add("skipped");
        this.warn(text("soundSkipped", { n: this.number }));
        say(text("soundSkipped", { n: this.number }));
      }
      this.audio.currentTime = 0;
      this.last = 0;
      this.show();
    }

    /* Seconds of this sound played since the page was opened, each counted only once. */
    covered() {
      const { played } = this.audio;
      let sum = 0;
      for (let i = 0; i < played.length; i++) sum += played.end(i) - played.start(i);
      return sum;
    }

    failed() {
      note("error", this.number);
      this.root.classList.add("failed");
      this.show();
      this.warn(text("soundFailed", { n: this.number }));
      say(text("soundFailed", { n: this.number }));
      if (this.retries < 5) setTimeout(() => this.retry(), 1000 * 2 ** this.retries++);
    }

    /* Unless it was tried again meanwhile, by its button: loading would stop what is playing. */
    retry() { if (this.audio.error) this.audio.load(); }

    /* A retry loaded the sound: it can be played after all. */
    recovered() {
      if (!this.root.classList.contains("failed")) return;
      this.root.classList.remove("failed");
      this.warn("");
    }

    animate() {
      this.draw();
      if (this.playing) requestAnimationFrame(() => this.animate());
    }

    /* What is wrong with this sound, said at its player; nothing if it is empty. */
    warn(message) {
      this.message.textContent = message;
      this.root.classList.toggle("warned", message !== "");
    }

    show() {
      this.root.classList.toggle("playing", this.playing);
      this.root.classList.toggle("loading", this.loading);
      if (this.mostPlays) this.button.setAttribute("aria-disabled", String(this.isSpent));
      this.button.setAttribute("aria-label", text(this.playing ? "pause" : "play", { n: this.number }));
      this.state.textContent = this.described();
    }

    described() {
      const { classList } = this.root;
      if (classList.contains("failed")) return text("failed");
      if (this.loading) return text("loading");
      if (this.playing) return text("elapsed", { now: Math.floor(this.audio.currentTime), all: Math.round(this.seconds) });
      const state = text(this.heard ? "heard" : classList.contains("skipped") ? "skipped" : "unheard");
      return this.heard && this.mostPlays ? this.left() : state;
    }

    /* How often it can still be played, once it was heard. */
    left() {
      const n = this.playsLeft;
      return text(n === 0 ? "noPlays" : n === 1 ? "lastPlay" : "playsLeft", { n });
    }

    draw() {
      const now = this.audio.currentTime;
      this.root.querySelector(".played").setAttribute("d", this.bars(now / this.seconds));
      this.slider.value = now;
      const values = { now: Math.floor(now), all: Math.round(this.seconds) };
      this.slider.setAttribute("aria-valuetext", text("position", values));
      if (this.playing) this.state.textContent = this.described();
    }

    bars(share) {
      if (!this.peaks) return share > 0 ? `M0 50h${(600 * Math.min(1, share)).toFixed(1)}` : "";
      const step = 600 / this.peaks.length;
      const shown = this.peaks.slice(0, Math.round(share * this.peaks.length));
      return shown.map((peak, i) => {
        const half = Math.max(1, 0.4 * peak);
        return `M${((i + 0.5) * step).toFixed(1)} ${(50 - half).toFixed(1)}v${(2 * half).toFixed(1)}`;
      }).join("");
    }
  }

  const players = Array.from(document.querySelectorAll(".player"), (root) => new Player(root));

  /* The player that the space bar controls: the one in use, else the first not heard yet. */
  function current() {
    if (active && (active.playing || !active.heard)) return active;
    return players.find((player) => !player.heard) || active || players[0];
  }

  /* Space plays, `1` to `9` choose in the named group, wherever the focus is except in a text field. */
  function keys(form, name, isClosed = () => false) {
    document.addEventListener("keydown", (event) => {
      const target = event.target;
      if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
      if (target.matches("textarea")) return;
      if (event.key === " ") {
        if (!players.length || target.closest("button, a")) return;
        if (target.type === "radio" && !target.checked) return; // there, space selects
        event.preventDefault();
        const own = players.find((player) => player.root.contains(target));
        (own || current()).toggle();
      } else if (form && /^[0-9]$/.test(event.key) && !isClosed()) {
        const radio = form.querySelector(`input[name="${name}"][value="${event.key}"]`);
        if (!radio) return;
        radio.focus();
        radio.click();
      }
    });
  }

  return { players, keys, say };
};
