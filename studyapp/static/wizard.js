/* The wizard's steps: a choice opens the fields that it needs. Without this script they open once the
   step was sent. */
"use strict";
document.addEventListener("change", (event) => {
  const part = document.querySelector(`details[data-opened-by="${event.target.name}"]`);
  if (part && event.target.value !== "none") part.open = true;
});
