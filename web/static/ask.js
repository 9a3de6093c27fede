// Asks the server for something beside the stream, and says in a sentence why it did not answer.

import { url } from "./urls.js";

const LONGEST_MS = 30_000;

/** Return what `path` answers as JSON. Throws an Error whose message is a sentence. */
export async function ask(path, signal = AbortSignal.timeout(LONGEST_MS)) {
  let answer;
  try {
    answer = await fetch(url(path), { signal });
  } catch (problem) {
    if (problem.name === "AbortError") throw problem;
    throw new Error(problem.name === "TimeoutError" ? "The dashboard's server did not answer in time." : "The dashboard's server cannot be reached.");
  }
  const isJson = answer.headers.get("Content-Type")?.includes("json");
  const told = isJson ? await answer.json() : { error: (await answer.text()).trim() };
  if (!answer.ok) throw new Error(told.error || `The dashboard's server answered ${answer.status}.`);
  return told;
}

/**
 * Asks again whenever what was told may have changed: one request at a time, at most one in `leastMs`, and again after
 * `retryMs` where one failed. `told(data)` and `failed(sentence)` hear what came of it.
 */
export class Refreshed {
  constructor(told, failed, { leastMs = 1000, retryMs = 5000 } = {}) {
    this.told = told;
    this.failed = failed;
    this.leastMs = leastMs;
    this.retryMs = retryMs;
    this.path = "";
    this.askedAt = -Infinity;
    this.asking = null; // what ends the request under way
    /** @type {number | NodeJS.Timeout} */
    this.timer = 0;
  }

  /** Ask for this at once: the user wants to see something else. */
  show(path) {
    this.path = path;
    this.askedAt = -Infinity;
    this.asking?.abort();
    this.asking = null;
    this.refresh();
  }

  /** Ask for the same again, soon. */
  refresh() {
    if (!this.path || this.timer) return;
    const wait = this.asking ? this.leastMs : Math.max(0, this.askedAt + this.leastMs - performance.now());
    this.timer = setTimeout(() => {
      this.timer = 0;
      if (this.asking) this.refresh();
      else this.send();
    }, wait);
  }

  async send() {
    const asking = this.asking = new AbortController();
    this.askedAt = performance.now();
    try {
      const data = await ask(this.path, AbortSignal.any([asking.signal, AbortSignal.timeout(LONGEST_MS)]));
      if (asking === this.asking) this.told(data);
    } catch (problem) {
      if (asking !== this.asking) return;
      this.failed(problem.message);
      setTimeout(() => this.refresh(), this.retryMs);
    } finally {
      if (asking === this.asking) this.asking = null;
    }
  }
}
