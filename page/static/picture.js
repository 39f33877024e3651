// The picture: an invitation at first, then the video that was chosen, or the camera.

const find = (id) => document.getElementById(id);

export class Picture {
  #address = "";
  #words = [];
  #onTime;
  #addressOf = null; // where the picture of a second is, while there is no video
  #seconds = 0; // of that picture

  /** @param onTime called with the seconds of the video as it plays or is moved. */
  constructor(onTime) {
    this.video = find("video");
    this.#onTime = onTime;
    const tell = () => {
      if (this.video.srcObject) return;
      this.#showCaption(this.video.currentTime);
      onTime(this.video.currentTime, !this.video.paused);
    };
    const follow = () => {
      tell();
      if (!this.video.paused) requestAnimationFrame(follow);
    };
    this.video.onplay = follow;
    this.video.onseeked = this.video.onpause = tell;
    this.video.onerror = () => this.#giveUp();
    // What has sound that can be played and a picture that cannot is no error to the browser.
    this.video.onloadedmetadata = () => this.video.videoWidth || this.#giveUp();
  }

  /** Show a file of the user's machine. */
  showFile(file) {
    find("unplayable-name").textContent = file.name;
    this.#show(URL.createObjectURL(file));
  }

  /** Show a video of the server's, where the browser could not play the user's. */
  showAddress(address) {
    this.#show(address);
  }

  #show(address) {
    this.clear();
    this.#address = address;
    find("invitation").hidden = true;
    find("screen").hidden = false;
    this.video.controls = true;
    this.video.src = address;
  }

  /** Show pictures of the server's one by one, in place of a video: `addressOf` gives the address of a second's. */
  showPictures(addressOf) {
    this.clear();
    find("unplayable-name").textContent = "the recording";
    find("invitation").hidden = true;
    find("screen").hidden = false;
    this.video.controls = false;
    this.#addressOf = addressOf;
    this.jump(0);
  }

  /** Play a video of the server's from where its pictures were looked at. */
  playAddress(address) {
    const seconds = this.#seconds;
    this.#show(address);
    this.jump(seconds);
    this.video.play().catch(() => {}); // the browser may want another click
  }

  showCamera() {
    this.clear();
    find("invitation").hidden = true;
    find("screen").hidden = false;
    find("screen").classList.add("camera");
    this.video.controls = false;
  }

  /** Back to the invitation. */
  clear() {
    this.#words = [];
    this.#addressOf = null;
    this.video.removeAttribute("poster");
    find("caption").textContent = "";
    find("screen").hidden = find("unplayable").hidden = find("play-written").hidden = true;
    find("invitation").hidden = false;
    find("screen").classList.remove("camera");
    if (this.video.getAttribute("src")) {
      this.video.removeAttribute("src");
      this.video.load();
    }
    URL.revokeObjectURL(this.#address);
    this.#address = "";
  }

  /** The glosses that are written under the picture while it plays. */
  setWords(words) {
    this.#words = words;
    this.#showCaption(this.video.currentTime);
  }

  /** Write this under the picture. */
  setCaption(text) {
    find("caption").textContent = text;
  }

  jump(seconds) {
    if (this.video.getAttribute("src")) this.video.currentTime = seconds;
    if (!this.#addressOf) return;
    this.#seconds = seconds;
    this.video.poster = this.#addressOf(seconds);
    this.#onTime(seconds, false);
  }

  #giveUp() {
    if (!this.video.getAttribute("src")) return; // it was taken away, which is an error to some browsers
    find("screen").hidden = true;
    find("unplayable").hidden = false;
  }

  #showCaption(seconds) {
    if (this.video.srcObject) return;
    this.setCaption(this.#words.find(({ start, end }) => start <= seconds && seconds < end)?.gloss ?? "");
  }
}
