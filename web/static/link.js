// One connection to the event stream, kept for as long as it is wanted: it is made again when it breaks or falls silent.

import { EVENTS } from "./store.js";
import { url } from "./urls.js";

const RETRY_MS = 2000;
const SILENT_MS = 10_000; // the bot says something ten times a second
const LOOK_MS = 1000;

export class Link {
  /**
   * `heard(event, data)` takes each event, `lost()` is called when the connection breaks, and `refused()` when the
   * server wants a secret that this browser has not given.
   */
  constructor(heard, lost, refused) {
    this.heard = heard;
    this.lost = lost;
    this.refused = refused;
    this.source = null;
    this.tried = 0; // when the connection was made or heard of last, by the wall clock: it goes on while a laptop sleeps
  }

  open() {
    if (this.source) return;
    this.connect();
    this.looking = setInterval(() => this.look(), LOOK_MS);
  }

  close() {
    clearInterval(this.looking);
    clearTimeout(this.retrying);
    this.source?.close();
    this.source = null;
  }

  connect() {
    this.source?.close();
    this.tried = Date.now();
    const source = this.source = new EventSource(url("events"));
    for (const event of EVENTS) {
      source.addEventListener(event, (message) => {
        if (source !== this.source) return;
        this.tried = Date.now();
        this.heard(event, JSON.parse(message.data));
      });
    }
    source.onerror = () => {
      if (source !== this.source) return;
      this.lost();
      // A browser retries a broken stream by itself, but gives up on one that was refused.
      if (source.readyState === EventSource.CLOSED) this.comeBack(source);
    };
  }

  async comeBack(source) {
    const answer = await fetch(url("api/login")).catch(() => null);
    if (source !== this.source) return;
    if (answer?.status === 401) this.refused();
    clearTimeout(this.retrying);
    this.retrying = setTimeout(() => this.connect(), RETRY_MS);
  }

  /** Replace a connection that is open and dead, as one is after a sleep. */
  look() {
    if (Date.now() - this.tried < SILENT_MS) return;
    this.lost();
    this.connect();
  }
}
