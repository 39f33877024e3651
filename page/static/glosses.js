// The glosses that were read, on the timeline, in the table and over the picture.

import { Chosen } from "./chosen.js";
import { GlossTable } from "./table.js";
import { Timeline } from "./timeline.js";

const CAPTION_SECONDS = 2; // after its end a camera's gloss stays over the picture

export class Glosses {
  #picture;
  #timeline;
  #table;
  #chosen;

  constructor(session, picture) {
    this.#picture = picture;
    this.#timeline = new Timeline((index) => this.#choose(index), (seconds) => picture.jump(seconds));
    this.#table = new GlossTable((index) => this.#choose(index));
    this.#chosen = new Chosen(session);
    this.clear(false);
  }

  /** Forget all. @param fromCamera whether those that come are a camera's. */
  clear(fromCamera) {
    this.fromCamera = fromCamera;
    this.transcript = null; // what the server said when all was read
    this.#empty(fromCamera);
    this.#chosen.clear();
  }

  #empty(live) {
    this.words = []; // those that stay as they are
    this.#timeline.clear(live);
    this.#table.clear();
  }

  /** Show what is known of a camera's stream after so many seconds; `provisional` is in place of the last such ones. */
  addLive(finals, provisional, seconds) {
    this.#add(finals, seconds, true);
    this.#timeline.setProvisional(provisional);
    this.#timeline.setTime(seconds, true);
    const last = provisional.at(-1) ?? this.words.at(-1);
    this.#picture.setCaption(last && seconds - last.end < CAPTION_SECONDS ? last.gloss : "");
  }

  /** Show all that was read, in place of what was shown. */
  showTranscript(transcript) {
    this.transcript = transcript;
    this.#empty(false);
    this.#add(transcript.words, transcript.duration, false);
    if (!this.fromCamera) this.#picture.setWords(this.words);
    if (this.#chosen.index in this.words) this.#choose(this.#chosen.index); // while a camera was read: there is more now
  }

  /** Take away those that may change: no others will come. */
  dropProvisional() {
    this.#timeline.setProvisional([]);
  }

  /** The picture is at this second. */
  setTime(seconds, playing) {
    this.#timeline.setTime(seconds, playing);
  }

  #add(words, duration, follow) {
    this.words.push(...words);
    this.#timeline.add(words, duration);
    this.#table.add(words, follow);
  }

  #choose(index) {
    this.#timeline.choose(index);
    this.#table.choose(index);
    this.#chosen.show(this.words[index], index, this.transcript);
    this.#picture.jump(this.words[index].start);
  }
}
