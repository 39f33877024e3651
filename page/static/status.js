// The line that says what the page is doing, and the notices under it.

const find = (id) => document.getElementById(id);
const MOST_NOTICES = 6;

/**
 * Say what the page is doing.
 *
 * @param phase one word, by which the style sheet and tests know the state.
 * @param text one or two sentences.
 * @param options `progress`: a number from 0 to 1, or "unknown" for work whose end is not known; `buttons`: which of
 *   `cancel`, `stop` and `again` can be pressed; `spoken`: what a screen reader says, if not the text.
 */
export function setStatus(phase, text, { progress = null, buttons = [], spoken = text } = {}) {
  document.body.dataset.phase = phase;
  find("status").textContent = text;
  if (find("spoken").textContent !== spoken) find("spoken").textContent = spoken;
  const bar = find("progress");
  bar.hidden = progress === null;
  if (typeof progress === "number") bar.value = progress;
  else bar.removeAttribute("value");
  for (const name of ["cancel", "stop", "again"]) find(name).hidden = !buttons.includes(name);
}

/** Show a sentence under the status line until the next video; the newest is on top. */
export function addNotice(text, isError = false) {
  const item = document.createElement("li");
  item.textContent = text;
  item.classList.toggle("error", isError);
  const list = find("notices");
  for (const older of list.children) if (older.textContent === text) older.remove();
  list.prepend(item);
  while (list.children.length > MOST_NOTICES) list.lastChild.remove();
  list.hidden = false;
}

export function clearNotices() {
  find("notices").replaceChildren();
  find("notices").hidden = true;
}
