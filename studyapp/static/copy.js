/* The button beside a code. Without this script it is hidden: the code can be selected. */
"use strict";
for (const button of document.querySelectorAll("[data-copy]")) {
  const said = button.nextElementSibling;
  button.hidden = !navigator.clipboard; // browsers have one only for pages over HTTPS
  button.addEventListener("click", async () => {
    const copied = await navigator.clipboard.writeText(button.previousElementSibling.textContent).then(() => true, () => false);
    said.textContent = copied ? said.dataset.copied : said.dataset.notCopied;
  });
}
