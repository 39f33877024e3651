// The chosen gloss: its times, and on request its heat map and the best guesses around it.

import { formatConfidence, formatTime } from "./words.js";

const GONE = "The pictures went with the connection: read the video, or use the camera, once more to see this.";

const find = (id) => document.getElementById(id);

export class Chosen {
  #session;
  #index = -1;
  #word = null;
  #transcript = null;
  #address = "";
  #heatRequest = new AbortController();
  #guessRequest = new AbortController();

  constructor(session) {
    this.#session = session;
    find("heat").ontoggle = () => this.#showHeat();
    find("guesses").ontoggle = () => this.#showGuesses();
  }

  /** The number of the gloss; -1 if none is chosen. */
  get index() {
    return this.#index;
  }

  clear() {
    this.#index = -1;
    this.#word = this.#transcript = null;
    this.#forgetImage();
    this.#guessRequest.abort();
    find("chosen-body").hidden = true;
    find("nothing-chosen").hidden = false;
  }

  /** @param transcript of the server; null while a camera is read. */
  show(word, index, transcript) {
    this.#index = index;
    this.#word = word;
    this.#transcript = transcript;
    find("nothing-chosen").hidden = true;
    find("chosen-body").hidden = false;
    find("chosen-gloss").textContent = word.gloss;
    find("chosen-time").textContent = `${formatTime(word.start)} – ${formatTime(word.end)}`;
    find("chosen-confidence").textContent = formatConfidence(word.confidence);
    find("heat").hidden = find("guesses").hidden = !transcript?.pictures;
    this.#showHeat();
    this.#showGuesses();
  }

  async #showHeat() {
    this.#forgetImage();
    if (!this.#word || !find("heat").open || find("heat").hidden) return;
    const { signal } = (this.#heatRequest = new AbortController());
    if (this.#transcript?.session !== this.#session.id) {
      find("heat-text").textContent = GONE;
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
    this.#heatRequest.abort(); // the server need not draw it any more
    URL.revokeObjectURL(this.#address);
    find("heat-image").hidden = true;
    find("heat-image").removeAttribute("src");
  }

  async #showGuesses() {
    this.#guessRequest.abort();
    find("guesses-list").replaceChildren();
    if (!this.#word || !find("guesses").open || find("guesses").hidden) return;
    const centre = (this.#word.start + this.#word.end) / 2;
    const stretch = this.#transcript.nbest.find(({ start, end }) => start <= centre && centre <= end);
    if (stretch || this.#transcript.nbest.length) return this.#listGuesses(stretch);
    // Of a camera none were kept: the frames around the gloss are read again.
    const { signal } = (this.#guessRequest = new AbortController());
    if (this.#transcript.session !== this.#session.id) {
      find("guesses-text").textContent = GONE;
      return;
    }
    find("guesses-text").textContent = "Reading the pictures around it again …";
    try {
      const [found] = await (await this.#session.ask(this.#session.address(`nbest/${this.#index}`), signal)).json();
      if (!signal.aborted) this.#listGuesses(found);
    } catch (error) {
      if (!signal.aborted) find("guesses-text").textContent = `No guesses: ${error.message}`;
    }
  }

  #listGuesses(stretch) {
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
