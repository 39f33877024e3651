// The picture: an invitation at first, then the video that was chosen, or the camera.

const find = (id) => document.getElementById(id);

export class Picture {
  #address = "";
  #words = [];

  /** @param onTime called with the seconds of the video as it plays or is moved. */
  constructor(onTime) {
    this.video = find("video");
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
