// The connection to the server: one session a page, which ends with it.

import { makeSentence } from "./words.js";

const PING_SECONDS = 20;
const RETRY_SECONDS = [1, 2, 5, 10];

/**
 * Events: `message` (detail: what the server sent), `ready` (the session has begun), `lost` (detail.opened: whether it
 * had begun before).
 */
export class Session extends EventTarget {
  #socket = null;
  #failures = 0;
  #timers = [];
  #readings = 0; // that this page has had

  constructor() {
    super();
    this.token = new URLSearchParams(location.search).get("token");
    this.id = null;
  }

  /** Connect, or connect at once where the next try is some seconds away. */
  connect() {
    this.#timers.forEach(clearTimeout);
    if (this.#socket && this.#socket.readyState <= WebSocket.OPEN) return;
    const scheme = location.protocol === "https:" ? "wss:" : "ws:";
    const socket = new WebSocket(this.#withToken(`${scheme}//${location.host}/api/session`));
    this.#socket = socket;
    socket.onmessage = (event) => this.#receive(JSON.parse(event.data));
    socket.onclose = () => this.#lose();
  }

  #receive(message) {
    if (message.type === "session") {
      this.id = message.id;
      this.#failures = 0;
      this.#timers = [setInterval(() => this.send({ type: "ping" }), PING_SECONDS * 1000)];
      this.dispatchEvent(new Event("ready"));
    } else {
      if (message.type === "transcript") this.#readings++;
      this.dispatchEvent(new CustomEvent("message", { detail: message }));
    }
  }

  #lose() {
    const opened = this.id !== null;
    this.id = null;
    this.#timers.forEach(clearTimeout); // also clears an interval
    const seconds = RETRY_SECONDS[Math.min(this.#failures++, RETRY_SECONDS.length - 1)];
    this.#timers = [setTimeout(() => this.connect(), seconds * 1000)];
    this.dispatchEvent(new CustomEvent("lost", { detail: { opened } }));
  }

  send(message) {
    if (this.#socket?.readyState === WebSocket.OPEN) this.#socket.send(JSON.stringify(message));
  }

  sendBytes(bytes) {
    if (this.#socket?.readyState === WebSocket.OPEN) this.#socket.send(bytes);
  }

  /** How many bytes wait to be sent. */
  get waiting() {
    return this.#socket?.bufferedAmount ?? 0;
  }

  /** The address of something of this session. */
  address(path) {
    return this.#withToken(`/api/session/${encodeURIComponent(this.id)}/${path}`);
  }

  /** As `address`, for a video or a picture: browsers show again what they had from the same address before. */
  addressToShow(path) {
    return `${this.address(path)}${this.token === null ? "?" : "&"}reading=${this.#readings}`;
  }

  #withToken(address) {
    return this.token === null ? address : `${address}?token=${encodeURIComponent(this.token)}`;
  }

  /** Ask the server, with the token; the answer's JSON, or an Error with the sentence that the server gave. */
  async ask(address, signal = null) {
    const response = await fetch(address, { headers: this.headers, signal });
    if (!response.ok) throw new Error(await readError(response));
    return response;
  }

  get headers() {
    return this.token === null ? {} : { "X-Token": this.token };
  }
}

/** The sentence in an answer that is an error. */
export async function readError(response) {
  const fallback = `The server answered with error ${response.status}.`;
  return response.json().then((content) => makeSentence(content.error ?? fallback), () => fallback);
}
