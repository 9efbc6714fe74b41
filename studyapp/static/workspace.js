// Researchers' pages: sounds with a playhead, and keyboard shortcuts. Without this script everything
// else works.
(() => {
  "use strict";
  const audio = new Audio();
  audio.preload = "none";
  let button = null;

  const strip = () => button?.closest(".strip");
  const share = () => (audio.duration ? audio.currentTime / audio.duration : 0);

  function show() {
    const at = strip();
    if (!at) return;
    const x = String(Math.round(share() * 1000));
    const line = at.querySelector(".playhead line");
    if (line) { line.setAttribute("x1", x); line.setAttribute("x2", x); }
    const range = at.querySelector("input[type=range]");
    if (range && document.activeElement !== range) range.value = x;
    if (!audio.paused) requestAnimationFrame(show);
  }

  function stop() {
    audio.pause();
    button?.classList.remove("playing");
  }

  async function play(next, from = null) {
    if (button !== next) {
      stop();
      button = next;
      audio.src = next.dataset.audio;
    }
    if (from !== null) {
      const seek = () => { audio.currentTime = from * audio.duration; };
      if (audio.readyState > 0) seek(); else audio.addEventListener("loadedmetadata", seek, { once: true });
    }
    try {
      await audio.play();
      next.classList.add("playing");
      requestAnimationFrame(show);
    } catch (error) {
      if (error.name !== "AbortError") next.classList.remove("playing");
    }
  }

  function toggle(next) {
    if (button === next && !audio.paused) stop(); else play(next);
  }

  audio.addEventListener("ended", () => button?.classList.remove("playing"));

  document.addEventListener("click", (event) => {
    const pressed = event.target.closest("[data-audio]");
    if (pressed) toggle(pressed);
  });
  document.addEventListener("input", (event) => {
    const range = event.target.closest(".strip-body input[type=range]");
    const own = range?.closest(".strip").querySelector("[data-audio]");
    if (own) play(own, Number(range.value) / 1000);
  });

  // Ticks: a box over the column ticks all, and `x` the current row
  function offerAll() {
    for (const box of document.querySelectorAll("[data-tick-all]")) box.hidden = false;
  }
  offerAll();
  document.addEventListener("htmx:afterSettle", offerAll);
  document.addEventListener("change", (event) => {
    if (!event.target.matches("[data-tick-all]")) return;
    const boxes = event.target.closest("table").querySelectorAll("tbody input[type=checkbox]");
    for (const box of boxes) box.checked = event.target.checked;
  });

  // An error of a field stands until the field is changed
  document.addEventListener("input", (event) => {
    if (!event.target.matches("[aria-invalid]")) return;
    event.target.removeAttribute("aria-invalid");
    for (const error of event.target.closest(".field")?.querySelectorAll(".error") ?? []) error.remove();
  });

  // Rows of a list
  const rows = () => [...document.querySelectorAll("[data-rows] tbody tr")];
  const current = () => document.querySelector("[data-rows] tr.current");

  function move(by) {
    const all = rows();
    if (!all.length) return;
    const at = all.indexOf(current());
    const next = all[Math.min(Math.max(at + by, 0), all.length - 1)] ?? all[0];
    current()?.classList.remove("current");
    next.classList.add("current");
    next.querySelector("th a")?.focus({ preventScroll: true });
    next.scrollIntoView({ block: "nearest" });
  }

  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const typing = event.target.closest("input:not([type=range], [type=checkbox]), textarea, select");
    if (typing) {
      if (event.key === "Escape") typing.blur();
      return;
    }
    const marked = document.querySelector(`[data-key="${CSS.escape(event.key)}"]`);
    if (marked) marked.click();
    else if (event.key === "j" && rows().length) move(1);
    else if (event.key === "k" && rows().length) move(-1);
    else if (event.key === "x" && current()) current().querySelector(".tick input")?.click();
    else if (event.key === "/") document.querySelector("[data-search]")?.focus();
    else if (event.key === " " && !event.target.closest("button, a, summary")) {
      const next = current()?.querySelector("[data-audio]") ?? button;
      if (!next) return;
      toggle(next);
    } else if (event.key === " " && current()?.contains(event.target) && event.target.matches("a")) {
      const own = current().querySelector("[data-audio]");
      if (own) toggle(own);
    } else return;
    event.preventDefault();
  });
})();
