/* The wizard's steps: a choice opens the fields that it needs. Without this script they open once the
   step was sent. */
"use strict";
document.addEventListener("change", (event) => {
  for (const part of document.querySelectorAll("details[data-opened-by]")) {
    const [name, value] = part.dataset.openedBy.split("=");
    const chosen = event.target.value;
    if (event.target.name === name && (value ? chosen === value : chosen !== "none")) part.open = true;
  }
});
