import assert from "node:assert/strict";
import { test } from "node:test";

import { news } from "../../../web/static/alerts.js";
import { KEYS, Reader } from "../../../web/static/keys.js";
import { icon, title } from "../../../web/static/tab.js";
import { moved, offsetOf } from "../../../web/static/zones.js";

const position = (symbol, profit) => ({ symbol, side: "LONG", open_profit: profit, entry_price: 150 });
const shown = { connected: true, hidden: false, running: true, state: "ACTIVE", positions: new Map(), selected: "AAPL", price: 150 };

test("a title begins with what matters most", () => {
  const held = new Map([["AAPL", position("AAPL", -1.5)]]);
  assert.equal(title(shown), "AAPL 150.00 · microbot");
  assert.equal(title({ ...shown, positions: held }), "LONG AAPL −$1.50 · AAPL 150.00 · microbot");
  assert.equal(title({ ...shown, positions: held, state: "HALTED" }), "HALTED · LONG AAPL −$1.50 · AAPL 150.00 · microbot");
  assert.equal(title({ ...shown, positions: new Map([...held, ["MSFT", position("MSFT", 4)]]) }), "2 open +$2.50 · AAPL 150.00 · microbot");
  assert.equal(title({ ...shown, running: false }), "stopped · AAPL 150.00 · microbot");
});

test("a page that is not connected tells no price that may be another by now", () => {
  assert.equal(title({ ...shown, connected: false }), "not connected · microbot");
  assert.equal(title({ ...shown, connected: false, hidden: true }), "not live while hidden · microbot");
});

test("the icon is another for each state", () => {
  const states = [
    { connected: true, halted: false, profit: null }, { connected: true, halted: false, profit: 1 }, { connected: true, halted: false, profit: -1 },
    { connected: false, halted: false, profit: null }, { connected: true, halted: true, profit: null },
  ];
  assert.equal(new Set(states.map(icon)).size, states.length);
  for (const state of states) assert.match(decodeURIComponent(icon(state)), /^data:image\/svg\+xml,<svg .*<\/svg>$/);
});

test("two keys count as one only if they come soon after each other", () => {
  const reader = new Reader();
  assert.equal(reader.press("g", 0), "");
  assert.equal(reader.press("t", 100), "trades");
  assert.equal(reader.press("t", 200), "");
  assert.equal(reader.press("g", 300), "");
  assert.equal(reader.press("t", 5000), "");
  assert.equal(reader.press("h", 5100), "halt");
  assert.equal(reader.press("x", 5200), "");
  assert.equal(reader.press("H", 5300), "");
});

test("no key is taken twice", () => {
  assert.equal(new Set(KEYS.map(([keys]) => keys)).size, KEYS.length);
  assert.equal(new Set(KEYS.map(([, , name]) => name)).size, KEYS.length);
});

test("a time of day in another zone", () => {
  assert.equal(moved("09:31:07", 360), "15:31:07");
  assert.equal(moved("23:59:59.123", 5), "00:04:59.123");
  assert.equal(moved("00:10", -30), "23:40");
  assert.equal(moved("12:00:00", 330), "17:30:00");
});

test("offsets follow daylight saving time, and may be parts of an hour", () => {
  assert.equal(offsetOf("America/New_York", new Date("2026-01-05T12:00:00Z")), -300);
  assert.equal(offsetOf("America/New_York", new Date("2026-07-05T12:00:00Z")), -240);
  assert.equal(offsetOf("Asia/Kolkata", new Date("2026-07-05T12:00:00Z")), 330);
  assert.equal(offsetOf("UTC", new Date("2026-07-05T12:00:00Z")), 0);
});

test("news are fills and halts since the last look, and the first look has none", () => {
  const nothing = { positions: new Map(), trades: new Set(), state: "ACTIVE" };
  const trade = { // as `trade_data` of web/shapes.py makes it
    symbol: "AAPL", side: "LONG", quantity: 1, entry_ts: 1, entry_price: 150, exit_ts: 2, exit_price: 152, exit_reason: "TP", pnl: 2, pnl_pct: 0.0133,
    fees: 0, equity: 10_002, decision_id: "7",
  };
  assert.deepEqual(news(null, { ...nothing, state: "HALTED" }), []);
  assert.deepEqual(news(nothing, nothing), []);
  assert.deepEqual(news(nothing, { ...nothing, positions: new Map([["AAPL", position("AAPL", 0)]]) }), [{ kind: "opened", text: "LONG AAPL at 150.00" }]);
  assert.deepEqual(news(nothing, { ...nothing, trades: new Set([trade]) }), [{ kind: "won", text: "AAPL closed, profit target reached: +$2.00" }]);
  assert.deepEqual(news(nothing, { ...nothing, trades: new Set([{ ...trade, pnl: -2 }]) }).map(({ kind }) => kind), ["lost"]);
  assert.deepEqual(news(nothing, { ...nothing, state: "HALTED" }).map(({ kind }) => kind), ["halted"]);
  assert.deepEqual(news({ ...nothing, state: "HALTED" }, { ...nothing, state: "HALTED" }), []);
});
