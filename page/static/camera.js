// The camera: its frames go to the server as JPEG, with the page's clock, and none waits for another.

const LONGEST_SIDE = 640;
const QUALITY = 0.85;
const MOST_WAITING = 200_000; // bytes that may wait to be sent, a few frames: more would be seen too late

const REASONS = {
  NotAllowedError: "The camera may not be used here. Allow it beside the address of this page, then try again.",
  NotFoundError: "No camera was found. Connect one, then try again.",
  NotReadableError: "The camera cannot be read. Another program may use it: close it, then try again.",
};

export class Camera {
  #session;
  #video;
  #canvas = document.createElement("canvas");
  #stream = null;
  #sending = false;

  constructor(session, video) {
    this.#session = session;
    this.#video = video;
  }

  /** Show the camera's picture. Raises an Error whose message is for the user. */
  async open(onEnded) {
    if (!navigator.mediaDevices)
      throw new Error("Browsers give the camera to pages on this machine (127.0.0.1) or at https:// addresses only.");
    try {
      this.#stream = await navigator.mediaDevices.getUserMedia({
        // "none": a picture of the camera itself, not one that the browser cut to this size
        video: { width: { ideal: 640 }, height: { ideal: 480 }, frameRate: { ideal: 30 }, resizeMode: { ideal: "none" } },
      });
    } catch (error) {
      throw new Error(REASONS[error.name] ?? `The camera cannot be opened: ${error.message}`);
    }
    this.#stream.getVideoTracks()[0].onended = onEnded;
    this.#video.srcObject = this.#stream;
    await this.#video.play();
  }

  /** Send frames from now on, at most so many a second; the first one's time is 0. */
  start(rate) {
    this.#sending = true;
    let first = null;
    let due = 0;
    let encoding = false;
    const next = (now, metadata) => {
      if (!this.#sending) return;
      this.#video.requestVideoFrameCallback(next);
      const shown = (metadata.captureTime ?? now) / 1000;
      first ??= shown;
      const time = shown - first;
      // A little early is in time: else a camera at just this rate would lose frames to its jitter.
      if (time < due - 0.3 / rate) return;
      due = Math.max(due + 1 / rate, time);
      if (encoding || this.#session.waiting > MOST_WAITING) return;
      encoding = true;
      this.#encode().then((jpeg) => {
        encoding = false;
        if (jpeg && this.#sending) this.#session.sendBytes(packFrame(time, jpeg));
      });
    };
    this.#video.requestVideoFrameCallback(next);
  }

  async #encode() {
    const { videoWidth, videoHeight } = this.#video;
    const scale = Math.min(1, LONGEST_SIDE / Math.max(videoWidth, videoHeight, 1));
    this.#canvas.width = Math.max(1, Math.round(videoWidth * scale));
    this.#canvas.height = Math.max(1, Math.round(videoHeight * scale));
    this.#canvas.getContext("2d").drawImage(this.#video, 0, 0, this.#canvas.width, this.#canvas.height);
    const blob = await new Promise((resolve) => this.#canvas.toBlob(resolve, "image/jpeg", QUALITY));
    return blob && blob.arrayBuffer();
  }

  /** Send no more frames, and give the camera back. */
  close() {
    this.#sending = false;
    for (const track of this.#stream?.getTracks() ?? []) {
      track.onended = null;
      track.stop();
    }
    this.#stream = null;
    this.#video.srcObject = null;
  }
}

/** 8 bytes of little-endian float64 seconds, then the JPEG. */
function packFrame(time, jpeg) {
  const bytes = new Uint8Array(8 + jpeg.byteLength);
  new DataView(bytes.buffer).setFloat64(0, time, true);
  bytes.set(new Uint8Array(jpeg), 8);
  return bytes;
}
