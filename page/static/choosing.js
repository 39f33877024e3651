// How a video gets here: chosen by a button, or dropped anywhere on the page.

import { formatSize } from "./words.js";

const find = (id) => document.getElementById(id);

/** Call `onFile` with the file, and whether others came with it, whenever the user chooses one. */
export function watchForFiles(onFile) {
  find("choose").onclick = () => find("file").click();
  find("file").onchange = (event) => {
    if (event.target.files.length) onFile(event.target.files[0], false);
    event.target.value = ""; // so that the same file can be chosen again
  };
  for (const name of ["dragenter", "dragover", "dragleave", "drop"]) {
    document.addEventListener(name, (event) => {
      if (![...event.dataTransfer.types].includes("Files")) return;
      event.preventDefault();
      const left = name === "drop" || (name === "dragleave" && event.relatedTarget === null);
      document.body.classList.toggle("dragging", !left);
      const files = name === "drop" ? event.dataTransfer.files : [];
      if (files.length) onFile(files[0], files.length > 1);
    });
  }
}

/** Why a file need not be sent, in a sentence; nothing if it may be. */
export function findFault({ name, size }, mostBytes) {
  if (!size) return `${name} is empty: it has no bytes.`;
  if (mostBytes && size > mostBytes)
    return `${name} is too large: it has ${formatSize(size)}, and the server takes ${formatSize(mostBytes)} at most. Cut it.`;
  return "";
}
