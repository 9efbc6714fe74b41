/* How the page is used, never what is written: only in studies that look for programs among their
   listeners, and say so on their consent page. `tell` reports the sums with the answer. */
"use strict";
earwitness.watch = (form, note) => {
  const text = form.elements.free_text;
  const gaps = []; // milliseconds between keys
  const sums = { keys: 0, pointer: 0, presses: 0 };
  let last = 0;

  if (text) {
    text.addEventListener("paste", (event) => note("paste", null, (event.clipboardData?.getData("text") || "").length));
    text.addEventListener("keydown", () => {
      const now = performance.now();
      if (last && now - last < 5000) gaps.push(now - last);
      last = now;
      sums.keys += 1;
    });
  }
  addEventListener("pointermove", (event) => { if (event.pointerType === "mouse") sums.pointer += 1; }, true);
  addEventListener("pointerdown", (event) => { if (event.pointerType === "mouse") sums.presses += 1; }, true);
  addEventListener("blur", () => note("blur"));
  addEventListener("focus", () => note("focus"));

  const quantile = (sorted, share) => sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))];

  return {
    tell() {
      for (const [name, value] of Object.entries(sums)) note(name, null, value);
      if (!gaps.length) return;
      const sorted = [...gaps].sort((a, b) => a - b);
      note("key_interval", null, quantile(sorted, 0.5));
      note("key_spread", null, quantile(sorted, 0.75) - quantile(sorted, 0.25));
    },
  };
};
