/* The trial page: its players, its events, and sending the answer safely.
   The server decides what counts as heard and answered; this page only stores and resends what it
   reports until the server has confirmed it. Without this script the form still posts. */
"use strict";
(() => {
  const form = document.getElementById("answer");
  if (!form) return;
  const controls = document.getElementById("controls");
  const saving = document.getElementById("saving");
  const trial = form.elements.trial.value;
  const csrf = form.elements.csrfmiddlewaretoken.value;
  const prefix = `earwitness:${form.dataset.slug}:`;
  const draftKey = `${prefix}draft:${trial}`;
  const { storage, deliver, leave } = earwitness;

  const text = earwitness.strings();

  const { note, flush, rest, drop } = earwitness.events({
    url: form.dataset.events, csrf, prefix, trial, onHeard: (heard) => showHeard(heard),
  });

  const watched = "watch" in form.dataset ? earwitness.watch(form, note) : null;

  let aheadLoaded = false;
  let submitting = false;
  let leaving = false; // for the next page: that this one is hidden then says nothing
  const { players, keys } = earwitness.players({
    note, onReady: () => loadAhead(), onHeard: () => { if (!submitting) showSaving(""); },
  });
  const allHeard = () => players.every((player) => player.heard);

  /* The study may ask to listen first: until then no name can be chosen. The server checks it too. */
  const choosing = document.getElementById("choosing");
  const leastMs = 1000 * Number(choosing.dataset.hearFirst || 0);
  const isHeardEnough = (player) => player.heard || player.allMs >= Math.min(leastMs, 1000 * player.seconds);
  function allowChoosing() {
    if (choosing.disabled && players.every(isHeardEnough)) choosing.disabled = false;
  }
  if (leastMs && !players.every(isHeardEnough)) {
    choosing.disabled = true;
    for (const player of players) for (const type of ["timeupdate", "ended"]) player.audio.addEventListener(type, allowChoosing);
  }

  function showHeard(byTrial) {
    for (const player of players) {
      if ((byTrial[trial] || []).includes(player.number)) { player.root.classList.add("heard"); player.show(); }
    }
    allowChoosing();
  }

  /* Loads the next trial's sounds into the browser's cache once this trial's are loaded. */
  function loadAhead() {
    if (aheadLoaded || !players.every((player) => player.audio.readyState >= 4)) return;
    aheadLoaded = true;
    for (const url of form.dataset.ahead.split(" ").filter(Boolean)) fetch(url, { priority: "low" }).catch(() => {});
  }

  /* The answer: stored from the first click until the server has it. */

  function fields() {
    const data = new FormData(form);
    return { choice: data.get("choice"), confidence: data.get("confidence"), free_text: data.get("free_text") };
  }

  function restore() {
    for (const key of storage.keys(`${prefix}draft:`)) if (key !== draftKey) storage.remove(key);
    const draft = storage.get(draftKey);
    if (!draft) return;
    for (const name of ["choice", "confidence"]) {
      if (draft[name] === null || draft[name] === undefined) continue; // 0 is an answer too
      const radio = form.querySelector(`input[name="${name}"][value="${Number(draft[name])}"]`);
      if (radio && !form.querySelector(`input[name="${name}"]:checked`)) radio.checked = true;
    }
    if (!form.elements.free_text.value) form.elements.free_text.value = draft.free_text || "";
    // The answer was being sent when the page was closed; so, perhaps, were the events: until the
    // server has them, this page shows the sounds as not heard.
    if (draft.sent && form.checkValidity()) flush().catch(() => {}).then(submit);
  }

  function showSaving(state) {
    saving.dataset.state = state;
    saving.textContent = state ? text(state) : "";
  }

  function showErrors(errors) {
    for (const name of ["choice", "confidence", "free_text"]) {
      document.getElementById(`${name.replace("_", "-")}-error`).textContent = (errors[name] || [""])[0];
    }
    showSaving("");
    if (errors.form) { saving.dataset.state = "failing"; saving.textContent = errors.form[0]; }
  }

  /* At each sound that is missing, and beside the button; the players are in sight on a phone too. */
  function sayMissing() {
    showErrors({ form: [text("listenFirst")] });
    const missing = players.filter((player) => !player.heard);
    for (const player of missing) if (!player.playing) player.warn(text("listenToThis"));
    missing[0].button.focus();
  }

  async function submit() {
    if (!allHeard()) {
      sayMissing();
      return;
    }
    for (const player of players) player.audio.pause();
    watched?.tell();
    const given = new URLSearchParams(new FormData(form)).toString();
    const body = async () => `${given}&events=${encodeURIComponent(await rest())}`;
    storage.set(draftKey, { ...fields(), sent: true });
    submitting = true;
    controls.disabled = true;
    showSaving("saving");
    const onFailure = () => showSaving("failing");
    const { status, said } = await deliver({ url: form.action, form, body, onFailure });
    if (said && said.events) drop(said.events);
    if (said && (said.next || said.errors)) finish(said); else giveUp(status);
  }

  function finish(answer) {
    if (answer.next) {
      storage.remove(draftKey);
      showSaving("saved");
      leaving = true;
      location.assign(answer.next);
      return;
    }
    submitting = false;
    controls.disabled = false;
    storage.set(draftKey, fields());
    players.forEach((player) => player.root.classList.remove("heard"));
    showHeard(answer.heard || {});
    players.forEach((player) => player.show());
    showErrors(answer.errors || {});
    if (!allHeard()) sayMissing();
  }

  function giveUp(status) {
    controls.disabled = false;
    showSaving("");
    flush().catch(() => {}).then(() => leave(form, status)); // the form alone does not say what was heard
  }

  form.addEventListener("submit", (event) => {
    event.preventDefault();
    if (!submitting) submit();
  });
  form.addEventListener("input", () => { if (!submitting) storage.set(draftKey, fields()); });

  keys(form, "choice", () => submitting);

  let first = true;
  for (const type of ["pointerdown", "keydown"]) {
    addEventListener(type, () => { if (first) { first = false; note("first_interaction"); } }, true);
  }

  let hiddenAt = 0;
  document.addEventListener("visibilitychange", () => {
    if (leaving) return;
    if (document.hidden) {
      hiddenAt = performance.now();
      note("hidden");
      flush().catch(() => {}); // the page may never come back
    } else {
      note("visible", null, performance.now() - hiddenAt);
    }
  });
  addEventListener("pagehide", () => {
    players.forEach((player) => player.tell());
    flush().catch(() => {});
  });
  // A page from the back-forward cache may show a trial that is already answered: ask the server.
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
