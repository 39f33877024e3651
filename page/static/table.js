// The glosses as a sentence and as a table: for reading, and for screen readers.

import { findLevel, formatConfidence, formatTime } from "./words.js";

const find = (id) => document.getElementById(id);

export class GlossTable {
  #onChoose;
  #rows = [];
  #words = [];

  constructor(onChoose) {
    this.#onChoose = onChoose;
    find("rows").onkeydown = (event) => this.#press(event);
  }

  clear() {
    this.#rows = [];
    this.#words = [];
    find("rows").replaceChildren();
    this.#show();
  }

  /** @param follow whether to keep the last of them in view. */
  add(words, follow = false) {
    for (const word of words) {
      const row = this.#makeRow(word, this.#rows.length);
      this.#words.push(word);
      this.#rows.push(row);
      find("rows").append(row);
    }
    this.#show();
    if (follow && words.length) for (const id of ["table-scroller", "sentence"]) find(id).scrollTop = find(id).scrollHeight;
  }

  choose(index) {
    this.#rows.forEach((row, number) => row.classList.toggle("chosen", number === index));
    this.#rows[index]?.scrollIntoView({ block: "nearest" });
    this.#reach(index);
  }

  /** Make this row the one that the Tab key reaches: through all of them, the rest of the page would be far. */
  #reach(index) {
    this.#rows.forEach((row, number) => (row.querySelector("button").tabIndex = number === index ? 0 : -1));
  }

  #press(event) {
    const at = this.#rows.findIndex((row) => row.contains(document.activeElement));
    const last = this.#rows.length - 1;
    const goals = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: last };
    if (at < 0 || event.ctrlKey || event.altKey || event.metaKey || !(event.key in goals)) return;
    event.preventDefault(); // the table would scroll
    const goal = Math.min(last, Math.max(0, goals[event.key]));
    this.#reach(goal);
    this.#rows[goal].querySelector("button").focus();
  }

  #makeRow(word, number) {
    const row = document.createElement("tr");
    const head = document.createElement("th");
    head.scope = "row";
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = word.gloss;
    button.tabIndex = number ? -1 : 0;
    button.onclick = () => this.#onChoose(number);
    head.append(button);
    const mark = document.createElement("i");
    mark.className = `level-${findLevel(word.confidence)}`;
    const cells = [formatTime(word.start), formatTime(word.end), formatConfidence(word.confidence)].map((text) => {
      const cell = document.createElement("td");
      cell.textContent = text;
      return cell;
    });
    cells[2].prepend(mark);
    row.append(head, ...cells);
    return row;
  }

  #show() {
    find("table-scroller").hidden = !this.#rows.length;
    find("sentence").textContent = this.#words.map((word) => word.gloss).join(" ") || "None yet.";
    find("sentence").classList.toggle("quiet", !this.#rows.length);
  }
}
