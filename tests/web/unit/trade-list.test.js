import assert from "node:assert/strict";
import { test } from "node:test";

import * as format from "../../../web/static/format.js";
import { cell, isFiltered, parameters, resultOf, shownOf, sorted, START, totals } from "../../../web/static/trade-list.js";

const TRADE = {
  run: 3, decision: "9", symbol: "AAPL", side: "LONG", quantity: 2, entry_ts: 1_767_623_400e9, entry_price: 150.25,
  exit_ts: 1_767_623_404.5e9, exit_price: 150.5, exit_reason: "TP", pnl: 0.5, pnl_pct: 0.0017, fees: 0.01, equity: 10_000.5,
  origin: "3/9", entry_slippage: 0.02,
};

test("only what is chosen is asked for", () => {
  assert.equal(parameters(START, false), "scope=today&sort=exit_ts&order=desc");
  const view = { ...START, scope: "all", symbol: "A&B", text: "tp =", offset: 100 };
  const asked = new URLSearchParams(parameters(view));
  assert.deepEqual([asked.get("symbol"), asked.get("text"), asked.get("offset"), asked.get("limit")], ["A&B", "tp =", "100", "100"]);
});

test("a column sorts from its interesting end first, then the other way round, from the first page", () => {
  const once = sorted({ ...START, offset: 200 }, "pnl");
  assert.deepEqual([once.sort, once.order, once.offset], ["pnl", "desc", 0]);
  assert.equal(sorted(once, "pnl").order, "asc");
  assert.equal(sorted(START, "symbol").order, "asc");
});

test("a filter is one, an order is none", () => {
  assert.equal(isFiltered({ ...START, sort: "pnl" }), false);
  assert.equal(isFiltered({ ...START, result: "loss" }), true);
});

test("how long a trade was held is said in two units at most", () => {
  assert.deepEqual([4.5e9, 125e9, 11_520e9].map(format.held), ["4.5 s", "2 min 5 s", "3 h 12 min"]);
});

test("a time of another day has its date", () => {
  assert.equal(cell(TRADE, "exit_ts", "2026-01-05"), "14:30:04");
  assert.equal(cell(TRADE, "exit_ts", "2026-01-06"), "5 Jan 14:30:04");
});

test("what is not known is no zero", () => {
  assert.equal(cell({ ...TRADE, entry_slippage: null }, "entry_slippage"), "–");
  assert.equal(cell({ ...TRADE, run: 0 }, "run"), "–");
  assert.equal(cell(TRADE, "pnl"), "+$0.50");
  assert.equal(cell(TRADE, "symbol"), "AAPL");
});

test("a trade that came to nothing is even", () => {
  assert.deepEqual([0.5, -0.5, 1e-12].map((pnl) => resultOf({ pnl })), ["win", "loss", "even"]);
});

test("totals say how many were even, and nothing of no trade", () => {
  const told = { trades: 4, wins: 2, losses: 1, win_rate: 0.5, pnl: -1, fees: 0.2, entry_slippage: null };
  assert.deepEqual(totals(told)[0], ["Trades", "4 (2 won, 1 lost, 1 even)", ""]);
  assert.deepEqual(totals(told).at(-1), ["Entry slippage", "not known", ""]);
  assert.deepEqual(totals({ ...told, trades: 0 }), []);
});

test("the rows of a page are counted from one", () => {
  assert.equal(shownOf(100, 34, 134), "101–134 of 134");
  assert.equal(shownOf(0, 0, 0), "");
});
