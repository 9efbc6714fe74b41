/* Every participant's page: the warning before a place runs out, the state of the page for a report
   of a technical problem, and the kind of window for the consent. Nothing typed is read here. */
"use strict";
(() => {
  const KEY = `earwitness:problem:${location.pathname.split("/")[2]}`;
  const isTouch = () => matchMedia("(pointer: coarse)").matches;

  const consent = document.querySelector("form input[name='width']")?.form;
  if (consent && !consent.dataset.source) {
    consent.elements.touch.value = isTouch() ? "True" : "False";
    consent.elements.width.value = innerWidth;
  }

  const link = document.querySelector("a[data-problem]");
  if (link) link.addEventListener("click", () => keep(state()));
  const form = document.querySelector("form[data-problem-form]");
  if (form) form.elements.state.value = kept() || JSON.stringify(state());

  function keep(found) { try { sessionStorage.setItem(KEY, JSON.stringify(found)); } catch { /* off */ } }
  function kept() { try { return sessionStorage.getItem(KEY); } catch { return null; } }
  function canStore() {
    try { localStorage.setItem(KEY, "1"); localStorage.removeItem(KEY); return true; } catch { return false; }
  }

  function state() {
    const players = Array.from(document.querySelectorAll(".player"), (root) => {
      const audio = root.querySelector("audio");
      return {
        number: Number(root.dataset.clip), ready: audio.readyState, network: audio.networkState,
        error: audio.error ? audio.error.code : 0, at_ms: Math.round(1000 * audio.currentTime),
        heard_ms: Math.round(1000 * played(audio)), paused: audio.paused,
        heard: root.classList.contains("heard"), failed: root.classList.contains("failed"),
      };
    });
    return {
      width: innerWidth, height: innerHeight, page_ms: Math.round(performance.now()),
      touch: isTouch(), online: navigator.onLine, storage: canStore(), players,
    };
  }

  function played({ played: ranges }) {
    let sum = 0;
    for (let i = 0; i < ranges.length; i++) sum += ranges.end(i) - ranges.start(i);
    return sum;
  }

  /* The place: held while somebody is active, with a warning before it runs out. */
  const box = document.getElementById("place");
  if (box) holdPlace(box);

  function holdPlace(box) {
    const LOOK_MS = 1000, BETWEEN_MS = 60000;
    const whole = 1000 * Number(box.dataset.whole); // the shortest lease that the study gives
    const WARN_MS = Math.min(180000, whole / 3);
    const said = box.querySelector("p");
    const csrf = document.querySelector("input[name='csrfmiddlewaretoken']")?.value || "";
    let ends = Date.now() + 1000 * Number(box.dataset.seconds);
    let asked = 0;
    let isAsking = false;

    async function stay() {
      if (isAsking) return;
      isAsking = true;
      asked = Date.now();
      try {
        const headers = { Accept: "application/json", "X-CSRFToken": csrf };
        const response = await fetch(box.dataset.stay, { method: "POST", headers });
        if (response.ok) held(await response.json());
      } catch { /* offline: the warning stays, and so does its button */ }
      isAsking = false;
    }

    function held({ seconds }) {
      if (!seconds) { location.reload(); return; } // the page then says what has become of the place
      ends = Date.now() + 1000 * seconds;
      look();
    }

    function look() {
      const left = ends - Date.now();
      if (left > WARN_MS) { box.hidden = true; said.textContent = ""; return; }
      const minutes = Math.ceil(left / 60000);
      const text = left <= 0 ? box.dataset.over : minutes > 1 ? box.dataset.soon : box.dataset.last;
      const shown = text.replace("{minutes}", minutes);
      box.hidden = false;
      if (said.textContent !== shown) said.textContent = shown; // announced once, not each second
    }

    /* Under half of the time is left: activity alone renews it, at most once a minute. */
    function active() {
      const now = Date.now();
      if (ends - now < whole / 2 && now - asked > BETWEEN_MS) stay();
    }

    box.querySelector("button").addEventListener("click", stay);
    for (const type of ["pointerdown", "keydown", "input", "play"]) addEventListener(type, active, true);
    setInterval(look, LOOK_MS);
  }
})();
