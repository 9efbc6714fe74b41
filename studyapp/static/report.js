/* A report's frame is as high as its document, so that the page has one scrollbar.
   Without this script the frame keeps its own. */
"use strict";

(function () {
  const frame = document.querySelector("iframe.report");
  if (!frame) return;

  function fit() {
    const inside = frame.contentDocument;
    if (!inside || !inside.body) return;
    // The body, not the document: a document is never lower than its window.
    frame.style.height = Math.ceil(inside.body.getBoundingClientRect().height) + 2 + "px";
  }

  function watch() {
    fit();
    if (frame.contentDocument && frame.contentDocument.body) {
      new ResizeObserver(fit).observe(frame.contentDocument.body);
    }
  }

  frame.addEventListener("load", watch);
  if (frame.contentDocument && frame.contentDocument.readyState === "complete") watch();
})();
