/* The way back to the recruiting service goes by itself after a while, unless someone stays. */
"use strict";
(() => {
  const line = document.querySelector("[data-leave]");
  const stay = line.querySelector("button");
  const timer = setTimeout(() => location.assign(line.dataset.leave), 1000 * line.dataset.seconds);
  line.hidden = false;
  stay.addEventListener("click", () => {
    clearTimeout(timer);
    line.hidden = true;
    document.querySelector("[data-way-back]").focus();
  });
})();
