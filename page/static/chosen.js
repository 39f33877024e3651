// The chosen gloss: its times, and on request its heat map and the best guesses around it.

import { formatConfidence, formatTime } from "./words.js";

const find = (id) => document.getElementById(id);

export class Chosen {
  #session;
  #index = -1;
  #word = null;
  #transcript = null;
  #address = "";
  #request = new AbortController();

  constructor(session) {
    this.#session = session;
    find("heat").ontoggle = () => this.#showHeat();
    find("guesses").ontoggle = () => this.#showGuesses();
  }

  clear() {
    this.#index = -1;
    this.#word = this.#transcript = null;
    this.#forgetImage();
    find("chosen-body").hidden = true;
    find("nothing-chosen").hidden = false;
  }

  /** @param transcript of the server; null while a camera is read. @param live whether it was a camera's. */
  show(word, index, transcript, live) {
    this.#index = index;
    this.#word = word;
    this.#transcript = transcript;
    find("nothing-chosen").hidden = true;
    find("chosen-body").hidden = false;
    find("chosen-gloss").textContent = word.gloss;
    find("chosen-time").textContent = `${formatTime(word.start)} – ${formatTime(word.end)}`;
    find("chosen-confidence").textContent = formatConfidence(word.confidence);
    find("heat").hidden = find("guesses").hidden = live; // a camera's frames and guesses are not kept
    this.#showHeat();
    this.#showGuesses();
  }

  async #showHeat() {
    this.#forgetImage();
    if (!this.#word || !find("heat").open || find("heat").hidden) return;
    const { signal } = (this.#request = new AbortController());
    if (this.#transcript?.session !== this.#session.id) {
      find("heat-text").textContent = "The video went with the connection: read it again to see heat maps.";
      return;
    }
    find("heat-text").textContent = "Looking where the network looked …";
    try {
      const answer = await this.#session.ask(this.#session.address(`heat/${this.#index}.jpg`), signal);
      const image = await answer.blob();
      if (signal.aborted) return; // another gloss has been chosen
      this.#address = URL.createObjectURL(image);
      find("heat-image").src = this.#address;
      find("heat-image").alt = `Where the network looked for ${this.#word.gloss}`;
      find("heat-image").hidden = false;
      find("heat-text").textContent = "Warm colours: what counted most for this gloss.";
    } catch (error) {
      if (!signal.aborted) find("heat-text").textContent = `No heat map: ${error.message}`;
    }
  }

  #forgetImage() {
    this.#request.abort(); // the server need not draw it any more
    URL.revokeObjectURL(this.#address);
    find("heat-image").hidden = true;
    find("heat-image").removeAttribute("src");
  }

  #showGuesses() {
    if (!this.#word || !find("guesses").open) return;
    const centre = (this.#word.start + this.#word.end) / 2;
    const stretch = this.#transcript?.nbest?.find(({ start, end }) => start <= centre && centre <= end);
    const guesses = stretch?.guesses ?? [];
    find("guesses-list").replaceChildren(...guesses.map((guess) => makeGuess(guess, guesses, this.#word.gloss)));
    find("guesses-text").textContent = guesses.length
      ? `For ${formatTime(stretch.start)} to ${formatTime(stretch.end)}, the most likely first, and how likely each is among these.`
      : "No guesses were kept.";
  }
}

function makeGuess(guess, guesses, chosen) {
  const item = document.createElement("li");
  const line = document.createElement("span");
  guess.glosses.forEach((gloss, number) => {
    const word = document.createElement(gloss === chosen ? "mark" : "span");
    word.textContent = gloss;
    line.append(number ? " " : "", word);
  });
  if (!guess.glosses.length) line.textContent = "(no gloss)";
  const weigh = ({ score }) => Math.exp(guesses[0].score - score); // a score is -log p
  const share = weigh(guess) / guesses.reduce((sum, other) => sum + weigh(other), 0);
  const number = document.createElement("small");
  number.textContent = share < 0.01 ? "below 1 %" : `${Math.round(share * 100)} %`;
  item.append(line, number);
  return item;
}
