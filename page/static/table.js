// The glosses as a sentence and as a table: for reading, and for screen readers.

import { findLevel, formatConfidence, formatTime } from "./words.js";

const find = (id) => document.getElementById(id);

export class GlossTable {
  #onChoose;
  #rows = [];
  #words = [];

  constructor(onChoose) {
    this.#onChoose = onChoose;
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
  }

  #makeRow(word, number) {
    const row = document.createElement("tr");
    const head = document.createElement("th");
    head.scope = "row";
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = word.gloss;
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
