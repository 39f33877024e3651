// The timeline of glosses under the picture: it scrolls and zooms, and is walked through by keyboard.

import { findLevel, formatConfidence, formatTime } from "./words.js";

const READABLE = 84; // pixels in which most glosses can be read
const MOST = 600; // pixels a second
const LIVE = 200; // pixels a second while a camera is read
const TICKS = [0.1, 0.2, 0.5, 1, 2, 5, 10, 30, 60, 120, 300, 600, 1800, 3600]; // seconds
const BETWEEN_TICKS = 90; // pixels at least

const find = (id) => document.getElementById(id);

export class Timeline {
  #onChoose;
  #onSeek;
  #words = [];
  #provisional = [];
  #buttons = [];
  #pale = [];
  #duration = 0;
  #scale = 0; // pixels a second; 0: as fits best
  #chosen = -1;
  #live = false;
  #atEnd = true; // whether the newest is in view while live: who scrolls back is left there

  /** @param onChoose called with the number of the gloss; @param onSeek called with seconds. */
  constructor(onChoose, onSeek) {
    this.#onChoose = onChoose;
    this.#onSeek = onSeek;
    find("zoom-in").onclick = () => this.zoom(1.6);
    find("zoom-out").onclick = () => this.zoom(1 / 1.6);
    find("zoom-fit").onclick = () => this.#zoomTo(this.#whole());
    find("scroller").onscroll = () => {
      const { scrollLeft, clientWidth, scrollWidth } = find("scroller");
      this.#atEnd = scrollLeft + clientWidth >= scrollWidth - 80;
      this.#drawRuler();
    };
    find("scroller").addEventListener("wheel", (event) => this.#wheel(event), { passive: false });
    find("glosses").onkeydown = (event) => this.#press(event);
    find("track").onclick = (event) => this.#click(event);
    new ResizeObserver(() => this.#place()).observe(find("scroller"));
  }

  /** Forget all glosses. */
  clear(live = false) {
    this.#live = live;
    this.#atEnd = true;
    this.#words = [];
    this.#buttons = [];
    this.#scale = 0;
    this.#duration = 0;
    this.#chosen = -1;
    find("glosses").replaceChildren();
    this.setProvisional([]);
    this.setTime(0);
  }

  /** Add glosses that stay as they are. */
  add(words, duration) {
    this.#duration = Math.max(duration, this.#duration);
    for (const word of words) {
      const button = makeButton(word);
      button.tabIndex = this.#buttons.length ? -1 : 0;
      button.onclick = (event) => {
        event.stopPropagation();
        this.#onChoose(this.#buttons.indexOf(button));
      };
      this.#words.push(word);
      this.#buttons.push(button);
      find("glosses").append(button);
    }
    this.#place();
  }

  /** Show these glosses, which may change, in place of the last such ones. */
  setProvisional(words) {
    this.#pale.forEach((item) => item.remove());
    this.#provisional = words;
    this.#pale = words.map((word) => makePale(word));
    find("glosses").append(...this.#pale);
    this.#place();
  }

  /** Show the place in the video, or how far a camera has been read. */
  setTime(seconds, follow = false) {
    if (this.#live) this.#duration = Math.max(this.#duration, seconds);
    const x = seconds * this.#shownScale();
    find("playhead").style.transform = `translateX(${x}px)`;
    this.#buttons.forEach((button, index) => {
      const { start, end } = this.#words[index];
      button.classList.toggle("now", start <= seconds && seconds < end);
    });
    if (!follow) return;
    const scroller = find("scroller");
    const seen = x - scroller.scrollLeft;
    if (this.#live) scroller.scrollLeft = this.#atEnd ? scroller.scrollWidth : scroller.scrollLeft;
    else if (seen < 0 || seen > scroller.clientWidth) scroller.scrollLeft = x - scroller.clientWidth / 4;
  }

  /** Mark the chosen gloss; it is the one that the Tab key reaches. */
  choose(index) {
    this.#buttons[this.#chosen]?.setAttribute("aria-pressed", "false");
    this.#chosen = index;
    this.#buttons[index]?.setAttribute("aria-pressed", "true");
    if (index >= 0) this.#reach(index, false);
  }

  zoom(factor) {
    this.#zoomTo(this.#shownScale() * factor);
  }

  #zoomTo(scale, anchor = find("scroller").clientWidth / 2) {
    const scroller = find("scroller");
    const before = this.#shownScale();
    const second = (scroller.scrollLeft + anchor) / before;
    this.#scale = Math.min(MOST, Math.max(this.#whole(), scale));
    this.#place();
    scroller.scrollLeft = second * this.#scale - anchor;
  }

  /** Pixels a second at which all of it is seen. */
  #whole() {
    return (find("scroller").clientWidth - 1) / Math.max(this.#duration, 0.5);
  }

  #shownScale() {
    if (this.#scale) return this.#scale;
    if (this.#live) return LIVE;
    const lengths = this.#words.map((word) => word.end - word.start).sort((a, b) => a - b);
    const usual = lengths[lengths.length >> 1] || 1;
    return Math.max(this.#whole(), Math.min(MOST, READABLE / usual));
  }

  #place() {
    const scale = this.#shownScale();
    // While live there is room for what comes next.
    const width = this.#live ? this.#duration * scale + 40 : this.#duration * scale;
    find("track").style.width = `${Math.max(width, 1)}px`;
    const put = (item, word) => {
      item.style.left = `${word.start * scale}px`;
      const length = (word.end - word.start) * scale;
      item.style.width = `${length > 8 ? length - 2 : Math.max(length, 1)}px`;
      item.classList.toggle("narrow", length < 18);
    };
    this.#buttons.forEach((button, index) => put(button, this.#words[index]));
    this.#pale.forEach((item, index) => put(item, this.#provisional[index]));
    this.#drawRuler();
  }

  /** Draw the times that are in view; all of those of an hour would be thousands. */
  #drawRuler() {
    const scroller = find("scroller");
    const scale = this.#shownScale();
    const step = TICKS.find((seconds) => seconds * scale >= BETWEEN_TICKS) ?? TICKS.at(-1);
    const first = Math.max(0, Math.floor(scroller.scrollLeft / scale / step) - 1);
    const last = Math.min(this.#duration / step, (scroller.scrollLeft + scroller.clientWidth) / scale / step + 1);
    const ticks = [];
    for (let number = first; this.#duration && number <= last; number++) {
      const tick = document.createElement("span");
      tick.textContent = formatTime(number * step).replace(/\.0$/, "");
      tick.style.left = `${number * step * scale}px`;
      ticks.push(tick);
    }
    find("ruler").replaceChildren(...ticks);
  }

  #press(event) {
    const at = this.#buttons.indexOf(document.activeElement);
    const last = this.#buttons.length - 1;
    const goals = { ArrowRight: at + 1, ArrowDown: at + 1, ArrowLeft: at - 1, ArrowUp: at - 1, Home: 0, End: last };
    if (event.ctrlKey || event.altKey || event.metaKey || at < 0) return;
    if (event.key in goals) this.#reach(Math.min(last, Math.max(0, goals[event.key])), true);
    else if (event.key === "+") this.zoom(1.6);
    else if (event.key === "-") this.zoom(1 / 1.6);
    else if (event.key === "0") this.#zoomTo(this.#whole());
    else return;
    event.preventDefault();
  }

  #reach(index, focus) {
    for (const button of this.#buttons) button.tabIndex = -1;
    this.#buttons[index].tabIndex = 0;
    if (focus) this.#buttons[index].focus({ preventScroll: true });
    const scroller = find("scroller");
    const left = this.#words[index].start * this.#shownScale();
    const right = this.#words[index].end * this.#shownScale();
    if (left < scroller.scrollLeft || right > scroller.scrollLeft + scroller.clientWidth)
      scroller.scrollLeft = (left + right - scroller.clientWidth) / 2;
  }

  #click(event) {
    const seconds = (event.clientX - find("track").getBoundingClientRect().left) / this.#shownScale();
    if (!this.#live) this.#onSeek(Math.min(seconds, this.#duration));
  }

  #wheel(event) {
    if (!event.ctrlKey) return; // else it scrolls, as everywhere
    event.preventDefault();
    const anchor = event.clientX - find("scroller").getBoundingClientRect().left;
    this.#zoomTo(this.#shownScale() * Math.exp(-event.deltaY / 300), anchor);
  }
}

function makeButton(word) {
  const button = document.createElement("button");
  button.type = "button";
  fill(button, word, `gloss level-${findLevel(word.confidence)}`, "");
  button.setAttribute("aria-pressed", "false");
  return button;
}

function makePale(word) {
  const item = document.createElement("span");
  fill(item, word, "gloss provisional", ", may change");
  return item;
}

function fill(item, word, names, ending) {
  const sure = formatConfidence(word.confidence);
  item.className = names;
  item.title = `${word.gloss} ${formatTime(word.start)} – ${formatTime(word.end)}, ${sure}${ending}`;
  item.setAttribute(
    "aria-label",
    `${word.gloss}, ${formatTime(word.start)} to ${formatTime(word.end)}, confidence ${sure}${ending}`,
  );
  const name = document.createElement("b");
  name.textContent = word.gloss;
  const share = document.createElement("small");
  share.textContent = typeof word.confidence === "number" ? sure : "";
  item.append(name, share);
  item.style.setProperty("--confidence", word.confidence ?? 0);
}
