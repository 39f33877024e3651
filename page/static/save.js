// The files of what was read.

import { readError } from "./session.js";

const find = (id) => document.getElementById(id);
const KINDS = {
  eaf: "ELAN",
  srt: "Subtitles",
  vtt: "Web subtitles",
  json: "All that is known",
  ctm: "For scoring",
  mp4: "Video with glosses",
};

export class Save {
  #session;
  #say;

  /** @param say called with a sentence, and whether it is an error. */
  constructor(session, say) {
    this.#session = session;
    this.#say = say;
  }

  clear(reason = "Files can be saved when the reading is done.") {
    find("files").replaceChildren();
    find("files").hidden = true;
    find("nothing-to-save").hidden = false;
    find("nothing-to-save").textContent = reason;
  }

  /** Offer these kinds of files; names as `clip.eaf`. */
  offer(kinds, name) {
    find("files").replaceChildren(...kinds.filter((kind) => kind in KINDS).map((kind) => this.#makeLink(kind, name)));
    find("files").hidden = false;
    find("nothing-to-save").hidden = true;
  }

  #makeLink(kind, name) {
    const link = document.createElement("a");
    link.href = this.#session.address(`files/${kind}`);
    link.download = `${name}.${kind}`;
    const suffix = document.createElement("b");
    suffix.textContent = `.${kind}`;
    const words = document.createElement("span");
    words.textContent = KINDS[kind];
    link.append(suffix, words);
    link.onclick = (event) => {
      event.preventDefault(); // a browser would save an error as if it were the file
      this.#fetch(link, kind);
    };
    const item = document.createElement("li");
    item.append(link);
    return item;
  }

  async #fetch(link, kind) {
    if (link.classList.contains("busy")) return;
    link.classList.add("busy");
    this.#say(kind === "mp4" ? "Writing the video with glosses …" : `Writing ${link.download} …`);
    try {
      const response = await fetch(link.href);
      if (!response.ok) throw new Error(await readError(response));
      const address = URL.createObjectURL(await response.blob());
      const saved = document.createElement("a");
      saved.href = address;
      saved.download = link.download;
      saved.click();
      setTimeout(() => URL.revokeObjectURL(address), 60_000);
      this.#say(`Saved ${link.download}.`);
    } catch (error) {
      this.#say(`${link.download} was not saved: ${error.message}`, true);
    } finally {
      link.classList.remove("busy");
    }
  }
}
