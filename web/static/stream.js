// What a page hears of the bot: through the worker that all tabs share, or by itself where a browser has no such workers.

import { Link } from "./link.js";

const WORKER_MS = 5000; // within which the worker answers; else the page does without it

export class Stream {
  /**
   * `listener` has `event(name, data, heardAt)`, `whole(store, heardAt)` for the state so far, `lost()`, and `refused()`.
   * Nothing comes while the page cannot be seen: then the connection is let go.
   */
  constructor(listener) {
    this.listener = listener;
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
    this.link = new Link(
      (event, data) => listener.event(event, data, Date.now()),
      () => listener.lost(),
      () => listener.refused(),
    );
    if (this.visible) this.link.open();
  }

  see(visible) {
    if (!visible && this.visible) this.listener.lost();
    this.visible = visible;
    if (this.link) {
      if (visible) this.link.open();
      else this.link.close();
      return;
    }
    clearTimeout(this.waiting);
    if (visible) this.waiting = setTimeout(() => this.doWithout(), WORKER_MS);
    this.port.postMessage({ visible });
  }

  take({ whole, connected, heardAt, event, data, lost, refused }) {
    clearTimeout(this.waiting);
    if (!this.port || !this.visible) return; // said before the page was hidden
    if (event) this.listener.event(event, data, heardAt);
    else if (lost) this.listener.lost();
    else if (refused) this.listener.refused();
    else if (whole) {
      this.listener.whole(whole, heardAt);
      if (!connected) this.listener.lost();
    }
  }
}
