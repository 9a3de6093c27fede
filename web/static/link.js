// How a browser hears of the bot: over one event stream, kept for as long as it is wanted. A stream that breaks is made
// again, and goes on where it broke. While none gets through, as behind a proxy that keeps it back, the server is polled.

import { EVENTS } from "./store.js";
import { url } from "./urls.js";

const RETRY_MS = 1000;
const STALL_MS = 4000; // without a word on a stream, which has a beat every second
const POLL_MS = 1000;
const ANSWER_MS = 10_000; // within which a poll is answered
const PROOF = 2; // beats by which a stream shows that it gets through, after one that did not
const PROBE_MS = [0, 5000, 15_000, 30_000]; // between two tries of a stream meanwhile
const PROVEN = "proven"; // why a poll is broken off: a stream gets through
const MOST_KEPT = 2000; // events of a stream that has yet to prove itself

export class Link {
  /**
   * `heard(events, heardAt)` takes the events of a sending, each a name and its data; `heardAt` is when the bot was heard
   * of last. `turned(link)` is told how the link is, and since when, and `refused()` is called when the server wants a
   * secret that this browser lacks.
   * @param {{heard: (events: [string, any][], heardAt: number) => void, turned: (link: {state: string, since: number}) => void, refused: () => void}} listener
   */
  constructor({ heard, turned, refused }) {
    this.heard = heard;
    this.turned = turned;
    this.refused = refused;
    this.state = "lost";
    this.wanted = []; // symbols that are looked at
    this.lastId = "";
    this.aliveAt = Date.now(); // when the server was heard of last, by the wall clock: it goes on while a laptop sleeps
    this.heardAt = 0;
    this.doubtful = false; // whether a stream was open of late, and nothing came
  }

  open() {
    if (this.run) return;
    this.run = {};
    this.aliveAt = Date.now();
    this.follow(this.run);
  }

  close() {
    this.run = null;
    this.lastId = "";
    this.stop?.();
    this.turn("lost", Date.now());
  }

  /** Look at these symbols: all is told of them, of the others only their prices. */
  look(symbols) {
    this.wanted = symbols;
    if (this.stream) this.tellLook();
    else this.wake?.();
  }

  // ------------------------------------------------------------------------------------------- following

  async follow(run) {
    for (let stalls = 0; this.run === run;) {
      const why = await this.listen(run);
      if (this.run !== run) return;
      if (why === "stalled") stalls = this.doubtful ? stalls + 1 : 1; // one that had proven itself is tried again at once
      else stalls = 0;
      this.doubtful ||= why === "stalled";
      if (this.state !== "polling") this.turn("lost", this.aliveAt);
      if (why === "broken") await this.askForSecret();
      const pause = this.doubtful ? PROBE_MS[Math.min(Math.max(0, stalls - 1), PROBE_MS.length - 1)] : RETRY_MS;
      await this.bridge(run, Date.now() + pause);
    }
  }

  /** Poll until it is time to try a stream, unless the last one was heard of just now. */
  async bridge(run, until) {
    do {
      if (this.doubtful || Date.now() - this.aliveAt >= STALL_MS) await this.poll(run);
      if (Date.now() >= until) return;
      await this.sleep(Math.min(POLL_MS, until - Date.now()));
    } while (this.run === run);
  }

  /** Listen to one stream. Returns why it ended: it was "broken", or "stalled". */
  async listen(run) {
    const probe = this.doubtful; // it has to prove itself first
    const asked = String(this.wanted);
    const source = new EventSource(this.address("events", probe ? "" : this.lastId));
    /** @type {[string, any][]} */
    let sending = []; // events whose sending is not complete yet; a probe's, until it has proven itself
    let id = "";
    let why = "";
    let beats = 0;
    let heardAt = Date.now();
    const take = (/** @type {string} */ event, /** @type {MessageEvent} */ { data, lastEventId }) => {
      if (why || this.run !== run) return;
      heardAt = this.aliveAt = Date.now();
      const told = JSON.parse(data);
      if (event === "stream") [this.stream, this.asked] = [told.stream, asked];
      else if (event === "told") id = lastEventId;
      else if (event === "beat") beats += 1;
      else sending.push([event, told]);
      if (sending.length > MOST_KEPT) why = "stalled";
      if (event !== "told" && event !== "beat") return; // a beat comes between two sendings
      if (probe && this.doubtful) {
        if (beats < PROOF) return;
        this.doubtful = false;
        this.polling?.abort(PROVEN);
      }
      if (id) this.take(sending, id);
      sending = [];
      if (event === "beat") this.heard([], this.heardAt = heardAt - told.quiet_s * 1000);
      this.turn("stream", Date.now());
      this.tellLook();
    };
    for (const event of [...EVENTS, "stream", "beat", "told"]) source.addEventListener(event, (message) => take(event, message));
    source.onerror = () => {
      why ||= "broken";
      this.wake?.();
    };
    this.stop = () => source.close();
    while (!why && this.run === run) {
      await this.sleep(POLL_MS);
      if (!why && Date.now() - heardAt >= STALL_MS) why = "stalled";
      if (!why && probe && this.doubtful) await this.poll(run); // it is not known yet whether this one gets through
    }
    source.close();
    if (this.run === run) this.stream = null;
    return why;
  }

  async poll(run) {
    const polling = this.polling = new AbortController();
    const late = setTimeout(() => polling.abort("late"), ANSWER_MS);
    try {
      const answer = await fetch(this.address("api/changes", this.lastId), { signal: polling.signal, cache: "no-store" });
      if (answer.status === 401) this.refused();
      if (!answer.ok) throw new Error(`status ${answer.status}`);
      const text = await answer.text();
      if (this.run !== run || polling.signal.aborted) return;
      this.aliveAt = Date.now();
      const { events, id, quietS } = parse(text);
      this.heardAt = this.aliveAt - quietS * 1000;
      if (id) this.take(events, id);
      this.heard([], this.heardAt);
      this.turn("polling", Date.now());
    } catch {
      if (this.run === run && polling.signal.reason !== PROVEN) this.turn("lost", this.aliveAt);
    } finally {
      clearTimeout(late);
    }
  }

  /** Take a whole sending; `id` is how the server calls it. */
  take(events, id) {
    this.lastId = id;
    if (!events.length) return;
    this.heardAt = this.aliveAt;
    this.heard(events, this.heardAt);
  }

  // --------------------------------------------------------------------------------------------- asking

  address(path, after) {
    const said = [];
    if (this.wanted.length) said.push(`look=${this.wanted.map(encodeURIComponent).join(",")}`);
    if (after) said.push(`after=${encodeURIComponent(after)}`);
    return url(said.length ? `${path}?${said.join("&")}` : path);
  }

  /** Tell the server what is looked at, once at a time, until it knows the newest. */
  async tellLook() {
    if (this.telling) return;
    this.telling = true;
    while (this.stream && this.asked !== String(this.wanted)) {
      const [stream, look] = [this.stream, this.wanted];
      const body = JSON.stringify({ stream, look });
      const answer = await fetch(url("api/look"), { method: "POST", headers: { "Content-Type": "application/json" }, body }).catch(() => null);
      if (this.stream !== stream) continue; // another one has begun: it asked for the symbols of its beginning
      if (!answer?.ok) break; // the stream has gone; the next one says by itself what is looked at
      this.asked = String(look);
    }
    this.telling = false;
  }

  /** A server that wants a secret refuses a stream, and the page does not hear why. */
  async askForSecret() {
    const answer = await fetch(url("api/login"), { cache: "no-store" }).catch(() => null);
    if (answer?.status === 401) this.refused();
  }

  turn(state, since) {
    if (state === this.state) return;
    this.state = state;
    this.turned({ state, since });
  }

  /** Wait, unless something happens meanwhile. */
  sleep(ms) {
    return /** @type {Promise<void>} */ (new Promise((resolve) => {
      const timer = setTimeout(resolve, ms);
      this.wake = () => {
        clearTimeout(timer);
        resolve();
      };
    }));
  }
}

/** Read a stream's text that came as a whole: its events, the id of the last sending, and how long the bot was silent. */
export function parse(/** @type {string} */ text) {
  /** @type {[string, any][]} */
  const events = [];
  let id = "";
  let quietS = 0;
  for (const block of text.split("\n\n")) {
    const fields = Object.fromEntries(block.split("\n").map((line) => [line.slice(0, line.indexOf(":")), line.slice(line.indexOf(":") + 2)]));
    if (fields.event === "beat") quietS = JSON.parse(fields.data).quiet_s;
    else if (fields.event === "told") id = fields.id;
    else if (fields.event) events.push([fields.event, JSON.parse(fields.data)]);
  }
  return { events, id, quietS };
}
