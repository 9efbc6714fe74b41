/* Plays back what happened on the pages of a passage's trials. The page at any time is worked out from
   everything that happened before it, so that the cursor can be dragged anywhere. */
"use strict";
(() => {
  const root = document.getElementById("playback");
  if (!root) return;
  const trials = JSON.parse(document.getElementById("played").textContent);
  const [play] = root.querySelectorAll("[data-play]");
  const [which, speed, cursor, clock] = ["which", "speed", "cursor", "clock"].map((id) => document.getElementById(id));
  const charts = [...root.querySelectorAll(".lane-chart")];
  const pages = [...document.querySelectorAll("article.played")];
  let number = 0;
  let now = 0; // milliseconds in the trial
  let started = null; // while it plays: where and when it began

  const seconds = (ms) => (ms / 1000).toFixed(1);

  /* What the page showed at that time: each player's place and state, whether it was hidden. */
  function stateAt({ moments, seconds }, at) {
    const players = seconds.map((length) => ({ length: 1000 * length, from: 0, since: null, heard: false }));
    const state = { players, hidden: false, answered: false };
    for (const one of moments) {
      if (one.at > at) break;
      const player = players[one.clip - 1];
      if (one.type === "shown") for (const each of players) Object.assign(each, { from: 0, since: null });
      if (one.type === "play") Object.assign(player, { from: one.value || 0, since: one.at });
      if (one.type === "pause") Object.assign(player, { from: one.value || 0, since: null });
      if (one.type === "seek") Object.assign(player, { from: one.value || 0, since: player.since === null ? null : one.at });
      if (one.type === "ended") Object.assign(player, { from: 0, since: null, heard: true });
      if (one.type === "hidden") state.hidden = true;
      if (one.type === "visible" || one.type === "shown") state.hidden = false;
      if (one.type === "answered") state.answered = true;
    }
    return state;
  }

  function show() {
    const trial = trials[number];
    const page = pages[number];
    const state = stateAt(trial, now);
    page.querySelectorAll(".player").forEach((root, i) => showPlayer(root, state.players[i]));
    for (const radio of page.querySelectorAll("[data-chosen]")) radio.checked = state.answered;
    for (const given of page.querySelectorAll(".given")) given.hidden = !state.answered;
    page.querySelector(".page-hidden").hidden = !state.hidden;
    page.querySelector(".as-seen").classList.toggle("away", state.hidden);
    for (const line of page.querySelectorAll(".happened li")) {
      const is = Number(line.dataset.at) <= now;
      if (is && !line.classList.contains("past")) line.dataset.shown = Math.round(now);
      line.classList.toggle("past", is);
    }
    cursor.value = now;
    cursor.setAttribute("aria-valuetext", `${seconds(now)} seconds`);
    clock.textContent = `${seconds(now)} of ${seconds(trial.length)} s`;
  }

  function showPlayer(root, { length, from, since, heard }) {
    const place = Math.min(length, since === null ? from : from + now - since);
    const state = root.querySelector(".player-state");
    root.classList.toggle("playing", since !== null);
    root.classList.toggle("heard", heard);
    root.querySelector(".played").setAttribute("d", place > 0 ? `M0 50h${((600 * place) / length).toFixed(1)}` : "");
    state.textContent = since !== null ? `${Math.floor(place / 1000)} / ${Math.round(length / 1000)} s` : heard ? state.dataset.heard : state.dataset.unheard;
  }

  function go(to, at) {
    number = to;
    now = at;
    which.value = to;
    cursor.max = trials[to].length;
    for (const [i, page] of pages.entries()) page.hidden = i !== to;
    for (const [i, chart] of charts.entries()) chart.toggleAttribute("hidden", i !== to);
    show();
  }

  /* Each frame; after the end of a trial the next one begins. */
  function frame() {
    if (!started) return;
    now = Math.min(trials[number].length, started.from + (performance.now() - started.at) * Number(speed.value));
    show();
    if (now >= trials[number].length) {
      if (number + 1 >= trials.length) return stop();
      go(number + 1, 0);
      started = { from: 0, at: performance.now() };
    }
    requestAnimationFrame(frame);
  }

  function begin() {
    if (now >= trials[number].length) go(number, 0);
    started = { from: now, at: performance.now() };
    tell();
    requestAnimationFrame(frame);
  }

  function stop() {
    started = null;
    tell();
  }

  function tell() {
    play.textContent = started ? "Pause" : "Play";
    play.setAttribute("aria-pressed", String(Boolean(started)));
  }

  /* From here on, whatever was changed. */
  function goOn() { if (started) started = { from: now, at: performance.now() }; }

  play.addEventListener("click", () => (started ? stop() : begin()));
  which.addEventListener("change", () => { go(Number(which.value), 0); goOn(); });
  speed.addEventListener("change", goOn);
  cursor.addEventListener("input", () => { now = Number(cursor.value); show(); goOn(); });
  go(0, 0);
})();
