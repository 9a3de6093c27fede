// What a page hears of the bot: through the worker that all tabs share, or by itself where a browser has no such workers.

import { Link } from "./link.js";

const WORKER_MS = 5000; // within which the worker answers; else the page does without it

export class Stream {
  /**
   * `listener` has `events(list, heardAt)` for names and data of events, `whole(store, heardAt)` for the state so far,
   * `turned(link)` for how the link is, and `refused()`. `look` is the symbol that the page shows, "" for any. Nothing
   * comes while the page cannot be seen: then the connection is let go.
   */
  constructor(listener, look) {
    this.listener = listener;
    this.shown = look;
    if (!this.share()) this.doWithout();
    const visibility = () => this.see(document.visibilityState !== "hidden");
    document.addEventListener("visibilitychange", visibility);
    addEventListener("pageshow", visibility);
    addEventListener("pagehide", () => {
      this.see(false);
      this.port?.postMessage({ gone: true });
    });
    visibility();
  }

  share() {
    try {
      this.worker = new SharedWorker(new URL("stream-worker.js", import.meta.url), { type: "module", name: "microbot" });
    } catch {
      return false;
    }
    this.port = this.worker.port;
    this.port.onmessage = ({ data }) => this.take(data);
    this.worker.onerror = () => this.doWithout();
    return true;
  }

  doWithout() {
    clearTimeout(this.waiting);
    this.worker = this.port = null;
    if (this.link) return;
    const { listener } = this;
    this.link = new Link({
      heard: (events, heardAt) => listener.events(events, heardAt),
      turned: (link) => listener.turned(link),
      refused: () => listener.refused(),
    });
    this.tell();
  }

  /** Show another symbol: all is told of it from now on. */
  look(symbol) {
    if (symbol === this.shown) return;
    this.shown = symbol;
    if (this.visible) this.tell();
  }

  see(visible) {
    if (!visible && this.visible) this.listener.turned({ state: "lost", since: Date.now() });
    this.visible = visible;
    clearTimeout(this.waiting);
    if (visible && this.port) this.waiting = setTimeout(() => this.doWithout(), WORKER_MS);
    this.tell();
  }

  /** Tell who keeps the stream whether the page can be seen, and what it shows. */
  tell() {
    if (this.port) {
      this.port.postMessage({ visible: this.visible, look: this.shown });
      return;
    }
    this.link.look([this.shown].filter(Boolean));
    if (this.visible) this.link.open();
    else this.link.close();
  }

  take({ whole, link, heardAt, events, refused }) {
    clearTimeout(this.waiting);
    if (!this.port || !this.visible) return; // said before the page was hidden
    if (whole) this.listener.whole(whole, heardAt);
    if (link) this.listener.turned(link);
    if (events) this.listener.events(events, heardAt);
    if (refused) this.listener.refused();
  }
}
