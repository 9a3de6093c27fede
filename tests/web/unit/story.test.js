import assert from "node:assert/strict";
import { test } from "node:test";

import { decisionIn, events, executions, logLines, marks, path, readings, summary } from "../../../web/static/story.js";

const MOMENTUM = { name: "momentum", value: 0.0007, threshold: 0.0005, passed: true, bound: "either_way" };
const STORY = {
  run: 2, decision: "67", strategy: "momentum_burst",
  costs: { pnl: "-0.05" },
  facts: [
    { type: "signal", approved: true, signal: { ts: 1e18, symbol: "AAPL", side: "SHORT", price: 151.53, readings: [MOMENTUM] } },
    { type: "order_submitted", ts: 1e18, order: { id: "e1", side: "SELL", quantity: "1", leg: "entry", limit: null, stop: null, reason: "" } },
    { type: "order_filled", execution: { order: "e1", side: "SELL", quantity: "1", price: "151.52", ts: 1e18 + 75e6 }, fees: { REG: "0.003" } },
    { type: "order_submitted", ts: 1e18 + 4e9, order: { id: "x1", side: "BUY", quantity: "1", leg: "exit", limit: null, stop: null, reason: "FLAT" } },
    { type: "order_filled", execution: { order: "x1", side: "BUY", quantity: "1", price: "151.56", ts: 1e18 + 4.05e9 }, fees: {} },
    { type: "position_closed", symbol: "AAPL", side: "SHORT", quantity: "1", entry_ts: 1e18 + 75e6, entry_price: "151.52", exit_ts: 1e18 + 4.05e9, exit_price: "151.56", exit_reason: "FLAT", pnl: "-0.05" },
  ],
  cost_path: { at_triggers: "0.005", spread: "0.025", slippage: "0.027", fees: "0.003", net: "-0.05", missing: [], steps: [{ leg: "entry", trigger: "signal", trigger_price: "151.545", price: "151.52", quantity: "1", waited_ms: 75.2, spread: null, slippage: "0.01" }] },
  log: [{ ts: 1, venue_ts: 2, level: "INFO", logger: "microbot.risk", message: "hello" }],
};

test("an address names a decision, and a symbol is none", () => {
  assert.equal(decisionIn("#decision=12%2F345"), "12/345");
  assert.equal(decisionIn("#AAPL"), "");
  assert.equal(decisionIn("#decision=%"), "");
});

test("a story is summed up, also of a signal that came to nothing", () => {
  assert.equal(summary(STORY).decision, "2/67");
  assert.equal(summary(STORY).pnl, -0.05);
  const refused = { ...STORY, costs: null, facts: [STORY.facts[0]] };
  assert.deepEqual([summary(refused).symbol, summary(refused).side, summary(refused).exit], ["AAPL", "SHORT", null]);
});

test("fills are marks: what they were, and what came of the trade", () => {
  assert.deepEqual(marks(STORY).map(({ side, leg, price, pnl }) => [side, leg, price, pnl]), [["SELL", "entry", 151.52, -0.05], ["BUY", "exit", 151.56, -0.05]]);
});

test("a condition has its readings at both ends side by side", () => {
  const atExit = [{ ...MOMENTUM, value: 0.0001, passed: false }, { name: "vwap", value: 151.5, threshold: 0, passed: true, bound: "none" }];
  const [momentum, vwap] = readings(STORY, atExit);
  assert.equal(momentum.wanted, "at least ±0.0005");
  assert.deepEqual([momentum.entry.passed, momentum.exit.passed, momentum.exit.text], [true, false, "0.0001"]);
  assert.deepEqual([vwap.entry, vwap.exit.passed, vwap.exit.text], [null, null, "151.5"]);
});

test("what happened says how long after the signal", () => {
  assert.deepEqual(events(STORY).map(({ kind, after }) => `${kind} ${after}`), ["signal +0 ms", "entry order +0 ms", "fill +75 ms", "exit order +4.000 s", "fill +4.050 s", "closed +4.050 s"]);
  assert.match(events(STORY)[3].text, /BUY 1 at market \(the market went flat\)/);
});

test("costs are subtracted on the way from the trigger to what was left", () => {
  const lines = path(STORY).map(([, money]) => money);
  assert.deepEqual(lines, [0.005, -0.025, -0.027, -0.003, -0.05]);
  assert.ok(Math.abs(lines.slice(0, 4).reduce((sum, money) => sum + money, 0) - lines[4]) < 1e-12);
  assert.deepEqual(path({ cost_path: null }), []);
  assert.equal(path({ cost_path: { ...STORY.cost_path, spread: null } })[1][1], null);
  assert.equal(executions(STORY)[0].spread, "not known");
});

test("lines of the log are read as the terminal has them", () => {
  assert.deepEqual(logLines(STORY), [{ ts: 2, level: "INFO", logger: "risk", message: "hello" }]);
});
