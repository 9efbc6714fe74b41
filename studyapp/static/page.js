/* Pages other than the trial: sound checks, the example, feedback, the questionnaire.
   A form marked `data-safe` is sent until the server has responded, and shows whether it is saved. */
"use strict";
(() => {
  const { storage, deliver, leave } = earwitness;
  const form = document.querySelector("form[data-safe]");
  /* What this page observed: sent with the answer to a check, whose form has fields for it. */
  const seen = { plays: 0, heard_ms: 0, hidden_ms: 0 };
  let players = [];
  let hiddenAt = document.hidden ? performance.now() : 0;
  if (document.querySelector(".player")) {
    const name = form && form.querySelector("input[name='choice']") ? "choice" : "count";
    const made = earwitness.players({ note: (type, _, value) => {
      if (type === "play") seen.plays += 1;
      if (type === "heard") seen.heard_ms += value;
    } });
    players = made.players;
    made.keys(form, name);
  }
  document.addEventListener("visibilitychange", () => {
    if (document.hidden) hiddenAt = performance.now(); else seen.hidden_ms += performance.now() - hiddenAt;
  });
  if (form) sendSafely(form);
  const device = document.getElementById("device");
  if (device) tryDevice(device);

  function sendSafely(form) {
    const text = earwitness.strings();
    const line = form.querySelector(".saving");
    const draftKey = form.dataset.draft && `earwitness:${form.dataset.slug}:draft:${form.dataset.draft}`;
    let sending = false;
    const say = (state) => { line.dataset.state = state; line.textContent = state ? text(state) : ""; };
    const chosen = () => Object.fromEntries(new FormData(form));

    if (draftKey) {
      const draft = storage.get(draftKey) || {};
      for (const radio of form.querySelectorAll("input[type='radio']")) {
        if (draft[radio.name] === radio.value) radio.checked = true;
      }
      for (const field of form.querySelectorAll("textarea, input[type='number']")) {
        if (!field.value) field.value = draft[field.name] || "";
      }
      form.addEventListener("input", () => {
        const { csrfmiddlewaretoken, ...kept } = chosen();
        storage.set(draftKey, kept);
      });
    }

    form.addEventListener("submit", async (event) => {
      event.preventDefault();
      if (sending || !wasPlayed()) return;
      sending = true;
      say("saving");
      reportObservations();
      const given = new URLSearchParams(new FormData(form)).toString();
      const body = async () => given;
      const { status, said } = await deliver({ url: location.href, form, body, onFailure: () => say("failing") });
      if (said && said.next) goOn(said.next);
      else { say(""); leave(form, status); }
    });
    addEventListener("beforeunload", (event) => { if (line.dataset.state === "failing") event.preventDefault(); });

    /* A check asks about its last sound: without it there is nothing to answer. */
    function wasPlayed() {
      const asked = players.at(-1);
      if (!asked || asked.wasPlayed) return true;
      asked.warn(text("playFirst"));
      asked.button.focus();
      asked.audio.addEventListener("play", () => say(""), { once: true });
      line.dataset.state = "missing";
      line.textContent = text("playFirst");
      return false;
    }

    function reportObservations() {
      for (const player of players) { player.moved(); player.tell(); }
      for (const [name, value] of Object.entries({ ...seen, page_ms: performance.now() })) {
        if (form.elements[name]) form.elements[name].value = Math.round(value);
      }
    }

    function goOn(next) {
      if (draftKey) storage.remove(draftKey);
      say("saved");
      location.assign(next);
    }
  }

  function tryDevice(form) {
    const GO_ON_MS = 1500; // long enough to read that both work
    const set = (name, value) => { form.elements[name].value = value; };
    const show = (name, works) => {
      set(name, works ? "on" : "");
      const badge = form.querySelector(`[data-check="${name}"] .badge`);
      badge.textContent = works ? badge.dataset.yes : badge.dataset.no;
      badge.classList.add(works ? "good" : "bad");
      if (form.elements.sound.value && form.elements.storage.value) goOn = setTimeout(() => form.requestSubmit(), GO_ON_MS);
    };
    let goOn = 0;
    form.addEventListener("submit", () => clearTimeout(goOn));
    storage.set("earwitness:try", 1);
    show("storage", storage.get("earwitness:try") === 1);
    storage.remove("earwitness:try");
    set("touch", matchMedia("(pointer: coarse)").matches ? "on" : "");
    set("width", innerWidth);
    const audio = new Audio();
    audio.preload = "auto";
    audio.addEventListener("canplaythrough", () => show("sound", true), { once: true });
    audio.addEventListener("error", () => show("sound", false), { once: true });
    audio.src = form.dataset.source;
    audio.load();
  }
})();
