// The fold of the event stream, without a browser.

import assert from "node:assert/strict";
import { test } from "node:test";

import { SLIM } from "../../../web/static/ranking.js";
import { BARS, merge, Store } from "../../../web/static/store.js";

const view = (price, ...prices) => ({
  price, ts: prices.length, first_price: prices[0], chain: "RUNNING", seen: prices.length, skipped: 0, window_s: 15,
  ticks: prices.map((one, i) => [i, one, 1, null, null]), marks: [], gauges: { readings: [] }, blocked: null, operators: [], measured: {},
});
const brief = (price) => ({ price, ts: 1, first_price: 1, chain: "RUNNING" });
const snapshot = (symbols) => ({
  bot: { running: true }, session: null, now: 1, feed: { state: "LIVE" }, state: { state: "ACTIVE", reason: "" }, positions: [],
  metrics: { trades: 1, funnel: { ticks: 1 } }, refusals: { COOLDOWN: 1 }, queues: {}, bounded: [], execution: {}, windows: {}, chains: {}, locks: {}, symbols_halted: {},
  trades: [], signals: [], bursts: [], notices: [], symbols,
});
const storeOf = (symbols) => {
  const store = new Store();
  store.apply("snapshot", snapshot(symbols));
  return store;
};

test("a patch sets, merges and deletes, in objects and in lists", () => {
  const target = { a: 1, b: { c: 1, gone: 2 }, list: [{ x: 1 }, { x: 2 }], none: 0 };
  merge(target, { "=": { a: null }, "+": { b: { "=": { c: 3 }, "-": ["gone"] }, list: { "+": { 1: { "=": { x: 5 } } } } }, "-": ["none"] });
  assert.deepEqual(target, { a: null, b: { c: 3 }, list: [{ x: 1 }, { x: 5 }] });
});

test("metrics are told as what changed of them, and what did not stays", () => {
  const store = storeOf({});
  assert.ok(store.apply("metrics", { "+": { metrics: { "=": { trades: 2 } } }, "=": { locks: { AAPL: "until noon" } }, "-": [] }).includes("metrics"));
  assert.equal(store.metrics.trades, 2);
  assert.deepEqual(store.metrics.funnel, { ticks: 1 });
  assert.deepEqual(store.locks, { AAPL: "until noon" });
  assert.deepEqual(store.refusals, { COOLDOWN: 1 });
});

test("a position is told as what changed of it, and goes", () => {
  const store = storeOf({});
  store.apply("position", { "=": { positions: [{ symbol: "AAPL", side: "LONG", open_profit: 1, guard: "stop" }] } });
  store.apply("position", { "+": { positions: { "+": { 0: { "=": { open_profit: -2 } } } } } });
  assert.deepEqual(store.positions.get("AAPL"), { symbol: "AAPL", side: "LONG", open_profit: -2, guard: "stop" });
  store.apply("position", { "=": { positions: [] } });
  assert.equal(store.positions.size, 0);
});

test("a position that is opened, grows or goes is a fill; another profit of it is none", () => {
  const store = storeOf({});
  const held = { symbol: "AAPL", side: "LONG", quantity: 2, entry_ts: 1, open_profit: 1 };
  assert.deepEqual(store.apply("position", { "=": { positions: [held] } }), ["fills", "position", "tabs"]);
  assert.ok(!store.apply("position", { "+": { positions: { "+": { 0: { "=": { open_profit: -2 } } } } } }).includes("fills"));
  assert.ok(store.apply("position", { "+": { positions: { "+": { 0: { "=": { quantity: 3 } } } } } }).includes("fills"));
  assert.ok(store.apply("position", { "=": { positions: [] } }).includes("fills"));
});

test("ticks redraw the tabs where these are a row, not a list of many; all prices and a fill do in both", () => {
  const named = (count) => Object.fromEntries(Array.from({ length: count }, (_, n) => [`S${n}`, brief(1)]));
  const held = { symbol: "S0", side: "LONG", quantity: 2, entry_ts: 1, open_profit: 1 };
  for (const [count, row] of [[SLIM, true], [SLIM + 1, false]]) {
    const store = storeOf(named(count));
    assert.equal(store.apply("ticks", ticksOf("S0")).includes("tabs"), row);
    assert.ok(store.apply("position", { "=": { positions: [held] } }).includes("tabs"));
    assert.equal(store.apply("position", { "+": { positions: { "+": { 0: { "=": { open_profit: 2 } } } } } }).includes("tabs"), row);
    assert.ok(store.apply("prices", { now: 5, symbols: { S0: [4, 1, 5] } }).includes("tabs"));
  }
});

test("of a symbol that is no longer looked at its price stays, and nothing that grows old", () => {
  const store = storeOf({ AAPL: view(3, 1, 2, 3), MSFT: brief(9) });
  assert.equal(store.symbols.get("AAPL").previous, 2);
  store.apply("look", { looked: ["MSFT"], symbols: { MSFT: view(8, 9, 8) } });
  const [apple, microsoft] = [store.symbols.get("AAPL"), store.symbols.get("MSFT")];
  assert.deepEqual([apple.whole, apple.price, apple.ticks, apple.gauges], [false, 3, [], null]);
  assert.deepEqual([microsoft.whole, microsoft.price, microsoft.ticks.length], [true, 8, 2]);
  store.apply("prices", { now: 5, symbols: { AAPL: [4, 1, 5], MSFT: [8, 9, 5] } });
  assert.deepEqual([apple.price, microsoft.price, microsoft.previous], [4, 8, 9]);
});

test("an event that this page does not know changes nothing", () => {
  assert.deepEqual(storeOf({}).apply("of_tomorrow", {}), []);
});

const ticksOf = (name, seen = 1) => ({ now: 2, symbols: { [name]: { ticks: [[1, 150, 10, null, null]], bars: [], seen, skipped: 0 } } });

test("ticks that come are of now, and what is usual between them is learnt", (t) => {
  t.mock.timers.enable({ apis: ["Date"], now: 10_000 });
  const store = new Store();
  store.apply("ticks", ticksOf("A"));
  assert.deepEqual([store.symbols.get("A").tickAt, store.symbols.get("A").gapS], [10_000, null]);
  t.mock.timers.tick(2000);
  store.apply("ticks", ticksOf("A", 2));
  assert.deepEqual([store.symbols.get("A").tickAt, store.symbols.get("A").gapS], [12_000, 2]);
  t.mock.timers.tick(4000);
  store.apply("ticks", ticksOf("A", 3));
  assert.equal(store.symbols.get("A").gapS, 2.125);
  t.mock.timers.tick(16 * 3_600_000); // a night says little of what is usual
  store.apply("ticks", ticksOf("A", 4));
  assert.ok(store.symbols.get("A").gapS < 4);
});

test("the state of the feed is as old as it was told to be", (t) => {
  t.mock.timers.enable({ apis: ["Date"], now: 60_000 });
  const store = new Store();
  store.apply("feed", { state: "STALE", reason: "", ts: 1, age_s: 12.5 });
  assert.equal(store.feed.changedAt, 47_500);
});

test("what a page had missed is as old as it is said to be", (t) => {
  t.mock.timers.enable({ apis: ["Date"], now: 60_000 });
  const store = new Store();
  store.apply("feed", { state: "STALE", reason: "", ts: 1, age_s: 0 });
  store.apply("ticks", ticksOf("A"));
  store.apply("heard", { feed_s: 12.5, ticks: { A: [20, 0.5], UNKNOWN: [1, 1] } });
  const { tickAt, gapS } = store.symbols.get("A");
  assert.deepEqual([store.feed.state, store.feed.changedAt, tickAt, gapS, store.symbols.size], ["STALE", 47_500, 40_000, 0.5, 1]);
});

test("what became of a decision is put with the newest signal of that id", () => {
  const store = new Store();
  for (const ts of [1, 2]) store.apply("signal", { decision_id: "7", ts, outcome: { stage: "approved", ts } });
  store.apply("outcomes", { 7: { stage: "filled", ts: 3 }, 8: { stage: "filled", ts: 3 } });
  assert.deepEqual(store.signals.map((signal) => signal.outcome.stage), ["approved", "filled"]);
});

test("the seconds of a symbol and of the account are folded, the last one again as often as it changes, and bounded", () => {
  const store = storeOf({ AAPL: view(1, 1) });
  const bars = (...seconds) => ({ now: 2, symbols: { AAPL: { ...ticksOf("AAPL").symbols.AAPL, bars: seconds.map(([second, price]) => [second, price]) } } });
  store.apply("ticks", bars([1, 10], [2, 11]));
  store.apply("ticks", bars([2, 12], [3, 13]));
  assert.deepEqual(store.symbols.get("AAPL").bars, [[1, 10], [2, 12], [3, 13]]);
  store.apply("ticks", bars(...Array.from({ length: BARS }, (_, n) => [3 + n, n])));
  assert.equal(store.symbols.get("AAPL").bars.length, BARS);
  assert.deepEqual(store.symbols.get("AAPL").bars[0], [3, 0]);
  store.apply("worth", [[1, 100, 99, 1]]);
  store.apply("worth", [[1, 101, 99, 1]]);
  assert.deepEqual(store.worth, [[1, 101, 99, 1]]);
});
