// A camera's recording after its end: its pictures one by one and, on request, all of it as a video with its glosses.

import { readError } from "./session.js";

const find = (id) => document.getElementById(id);

export class Recording {
  #session;
  #picture;
  #say;
  #request = new AbortController();

  /** @param say called with a sentence, and whether it is an error. */
  constructor(session, picture, say) {
    this.#session = session;
    this.#picture = picture;
    this.#say = say;
    find("play-recording").onclick = () => this.#play();
  }

  show() {
    this.#picture.showPictures((seconds) => this.#session.addressToShow(`picture/${seconds.toFixed(3)}.jpg`));
    this.#setMaking(false);
    find("recording").hidden = false;
  }

  /** Take it away: the invitation is seen then. */
  clear() {
    this.#request.abort(); // the server need not write the video any more
    find("recording").hidden = true;
    this.#picture.clear();
  }

  async #play() {
    const { signal } = (this.#request = new AbortController());
    const address = this.#session.addressToShow("files/mp4");
    this.#setMaking(true);
    try {
      // Its first byte alone, so that the whole is written: a player would not tell what goes wrong with that.
      const response = await fetch(address, { headers: { Range: "bytes=0-0" }, signal });
      if (!response.ok) throw new Error(await readError(response));
      if (signal.aborted) return;
      find("recording").hidden = true;
      this.#picture.playAddress(address);
    } catch (error) {
      if (signal.aborted) return;
      this.#setMaking(false);
      this.#say(`The recording cannot be played: ${error.message}`, true);
    }
  }

  #setMaking(making) {
    find("play-recording").disabled = making;
    find("recording-text").textContent = making
      ? "The video with its glosses is being written …"
      : "Pictures of the recording are shown one by one. To play it, a video is written first.";
  }
}
