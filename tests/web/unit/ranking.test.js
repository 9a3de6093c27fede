// The order of the list of symbols, without a browser.

import assert from "node:assert/strict";
import { test } from "node:test";

import { Order, ranked, RESORT_MS, SLIM, trouble } from "../../../web/static/ranking.js";

const symbolsOf = (moves) => new Map(Object.entries(moves).map(([name, price]) => [name, { name, price, first: 100, chain: "RUNNING" }]));
const MANY = { A: 100, B: 101, C: 97, D: 100, E: 100.5, F: 100, G: null };

test("positions come first, then what moved most, either way", () => {
  assert.deepEqual(ranked(symbolsOf(MANY), new Map([["F", {}]])), ["F", "C", "B", "E", "A", "D", "G"]);
});

test("a few symbols stand as the session names them", () => {
  const few = symbolsOf({ A: 100, B: 130 });
  assert.ok(few.size <= SLIM);
  assert.deepEqual(ranked(few, new Map([["B", {}]])), ["A", "B"]);
});

test("the order changes every few seconds, and not while it is held", () => {
  let now = 0;
  const order = new Order(() => now);
  assert.equal(order.of(symbolsOf(MANY), new Map())[0], "C");
  const moved = symbolsOf({ ...MANY, A: 150 });
  now += RESORT_MS - 1;
  assert.equal(order.of(moved, new Map())[0], "C");
  now += 1;
  order.held = true;
  assert.equal(order.of(moved, new Map())[0], "C");
  order.held = false;
  assert.equal(order.of(moved, new Map())[0], "A");
});

test("a symbol that is new comes last, and one that is gone goes, at once", () => {
  const order = new Order(() => 0);
  order.of(symbolsOf(MANY), new Map());
  const { C: _, ...rest } = MANY;
  assert.deepEqual(order.of(symbolsOf({ ...rest, H: 200 }), new Map()), ["B", "E", "A", "D", "F", "G", "H"]);
});

test("what is wrong with a symbol is a word and a shape, the worst of it first", () => {
  const store = { symbolsHalted: { A: "lost 100" }, locks: { A: "by hand", B: "by hand" }, feed: { stale: { B: "12 s", C: "12 s" } } };
  const said = (name, chain = "RUNNING") => trouble({ name, chain }, store);
  assert.deepEqual(said("A", "FAILED: a bug"), { word: "FAILED", shape: "✕", tone: "bad", why: "a bug" });
  assert.deepEqual(["A", "B", "C"].map((name) => said(name).word), ["HALTED", "LOCKED", "STALE"]);
  assert.equal(said("D"), null);
  assert.equal(said("D", "UNUSED: late").word, "UNUSED");
});
