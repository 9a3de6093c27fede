// How a page keeps hearing of the bot, with a stream, a server and a clock that do as they are told.

import assert from "node:assert/strict";
import { afterEach, beforeEach, mock, test } from "node:test";

import { Link, parse } from "../../../web/static/link.js";

class Source {
  /** @type {Source[]} */
  static made = [];
  onerror = () => {};
  closed = false;

  constructor(url) {
    this.url = url;
    this.listeners = {};
    Source.made.push(this);
  }

  addEventListener(event, listener) {
    this.listeners[event] = listener;
  }

  say(event, data = {}, lastEventId = "") {
    this.listeners[event]({ data: JSON.stringify(data), lastEventId });
  }

  /** Say a whole sending. */
  send(number, ...events) {
    for (const event of events) this.say(event, {}, `run.${number - 1}.x`);
    this.say("told", {}, `run.${number}.x`);
  }

  close() {
    this.closed = true;
  }
}

let heard;
let turns;
let asked;
let answers;
let link;

const real = { EventSource: globalThis.EventSource, fetch: globalThis.fetch };
const newest = () => Source.made.at(-1);

/** Let seconds go by, and whatever waits for them. */
async function pass(seconds) {
  for (let i = 0; i < seconds * 10; i += 1) {
    mock.timers.tick(100);
    for (let turn = 0; turn < 10; turn += 1) await Promise.resolve();
  }
}

beforeEach(() => {
  mock.timers.enable({ apis: ["setTimeout", "Date"] });
  [Source.made, heard, turns, asked, answers] = [[], [], [], [], []];
  globalThis.EventSource = /** @type {any} */ (Source);
  globalThis.fetch = /** @type {any} */ (async (url, { body = "" } = {}) => {
    asked.push(body || url.slice(url.indexOf("api/")));
    const text = url.includes("api/changes") ? answers.shift() : "";
    if (text === undefined) throw new Error("no server");
    return { ok: true, status: 200, text: async () => text };
  });
  link = new Link({
    heard: (events) => heard.push(...events.map(([event]) => event)),
    turned: ({ state }) => turns.push(state),
    refused: () => turns.push("refused"),
  });
});

afterEach(() => {
  link.close();
  mock.timers.reset();
  Object.assign(globalThis, real);
});

test("a sending is taken as a whole, or not at all", async () => {
  link.open();
  newest().send(1, "snapshot");
  newest().say("ticks", {}, "run.1.x");
  newest().say("metrics", {}, "run.1.x");
  assert.deepEqual(heard, ["snapshot"]);
  newest().onerror();
  await pass(2);
  assert.match(newest().url, /events\?after=run\.1\.x$/);
  newest().send(2, "ticks", "metrics");
  assert.deepEqual(heard, ["snapshot", "ticks", "metrics"]);
  assert.deepEqual(turns, ["stream", "lost", "stream"]);
});

test("what is looked at is told to the stream, and asked for by the next", async () => {
  link.look(["AAPL"]);
  link.open();
  assert.match(newest().url, /events\?look=AAPL$/);
  newest().say("stream", { stream: "s1" });
  newest().send(1, "snapshot");
  link.look(["BRK/B", "MSFT"]);
  await pass(0.1);
  assert.deepEqual(asked, ['{"stream":"s1","look":["BRK/B","MSFT"]}']);
  newest().onerror();
  await pass(2);
  assert.match(newest().url, /events\?look=BRK%2FB,MSFT&after=run\.1\.x$/);
});

test("beats keep a stream that has nothing to say", async () => {
  link.open();
  newest().send(1, "snapshot");
  for (let i = 0; i < 20; i += 1) {
    await pass(1);
    newest().say("beat", { quiet_s: i });
  }
  assert.equal(Source.made.length, 1);
  assert.deepEqual(turns, ["stream"]);
});

test("while a stream is kept back the server is polled, until two beats of another get through", async () => {
  const snapshot = "event: snapshot\ndata: {}\n\nid: run.7.x\nevent: told\ndata: {}\n\nevent: beat\ndata: {\"quiet_s\":0}\n\n";
  const nothing = "id: run.7.x\nevent: told\ndata: {}\n\nevent: beat\ndata: {\"quiet_s\":1}\n\n";
  answers = [snapshot, ...Array(100).fill(nothing)];
  link.open();
  await pass(6);
  assert.deepEqual([heard, turns], [["snapshot"], ["polling"]]);
  assert.ok(asked.includes("api/changes?after=run.7.x"));
  newest().send(9, "snapshot", "ticks");
  newest().say("beat", { quiet_s: 0 });
  assert.deepEqual(heard, ["snapshot"]); // it may be a proxy that let go of a part
  newest().say("beat", { quiet_s: 0 });
  assert.deepEqual(heard, ["snapshot", "snapshot", "ticks"]);
  const polls = asked.length;
  await pass(3);
  assert.deepEqual([asked.length, turns], [polls, ["polling", "stream"]]);
});

test("a stream that was good and stalls is tried again at once, one that never was more and more seldom", async () => {
  answers = Array(200).fill("event: beat\ndata: {\"quiet_s\":0}\n\n");
  link.open();
  newest().send(1, "snapshot");
  await pass(4.5);
  assert.equal(Source.made.length, 2);
  await pass(60);
  assert.ok(Source.made.length >= 4 && Source.made.length <= 6, `${Source.made.length} streams in a minute`);
  assert.ok(Source.made.slice(0, -1).every((source) => source.closed));
});

test("without a server the link is lost, and tried each second", async () => {
  link.open();
  newest().send(1, "snapshot");
  for (let i = 0; i < 8; i += 1) {
    newest().onerror();
    await pass(1.1);
  }
  assert.deepEqual(turns, ["stream", "lost"]);
  assert.ok(Source.made.length >= 7);
});

test("a closed link hears nothing", async () => {
  link.open();
  const source = newest();
  link.close();
  source.send(1, "snapshot");
  await pass(10);
  assert.deepEqual([heard, Source.made.length], [[], 1]);
});

test("a stream's text is read as a whole", () => {
  const text = "event: beat\ndata: {\"quiet_s\":2.5}\n\nevent: feed\ndata: {\"reason\":\"a: b\"}\n\nid: run.3.ab\nevent: told\ndata: {}\n\n";
  assert.deepEqual(parse(text), { events: [["feed", { reason: "a: b" }]], id: "run.3.ab", quietS: 2.5 });
});
