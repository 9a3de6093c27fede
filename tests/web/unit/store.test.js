// The page's copy: when ticks came, by this computer's clock, and what became of decisions.

import assert from "node:assert/strict";
import { test } from "node:test";

import { Store } from "../../../web/static/store.js";

const ticksOf = (name, seen = 1) => ({ now: 2, symbols: { [name]: { ticks: [[1, 150, 10, null, null]], points: [], seen, skipped: 0 } } });

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
});

test("the state of the feed is as old as it was told to be", (t) => {
  t.mock.timers.enable({ apis: ["Date"], now: 60_000 });
  const store = new Store();
  store.apply("feed", { state: "STALE", reason: "", ts: 1, age_s: 12.5 });
  assert.equal(store.feed.changedAt, 47_500);
});

test("what became of a decision is put with the newest signal of that id", () => {
  const store = new Store();
  for (const ts of [1, 2]) store.apply("signal", { decision_id: "7", ts, outcome: { stage: "approved", ts } });
  store.apply("outcomes", { 7: { stage: "filled", ts: 3 }, 8: { stage: "filled", ts: 3 } });
  assert.deepEqual(store.signals.map((signal) => signal.outcome.stage), ["approved", "filled"]);
});
