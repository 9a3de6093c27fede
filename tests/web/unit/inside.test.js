import assert from "node:assert/strict";
import test from "node:test";

import { decisionOf, fieldsOf, found, grouped, joined, summary, switchedOn } from "../../../web/static/inside.js";

test("settings are found by any words of their path, value or origin", () => {
  const settings = [
    { section: "risk", key: "position_size", value: "2.0", origin: "--set" },
    { section: "risk", key: "timezone", value: '"America/New_York"', origin: "default" },
  ];
  assert.deepEqual(found(settings, "RISK size", false).map((one) => one.key), ["position_size"]);
  assert.deepEqual(found(settings, "new_york", false).map((one) => one.key), ["timezone"]);
  assert.deepEqual(found(settings, "", true).map((one) => one.key), ["position_size"]);
  assert.deepEqual(found(settings, "nothing", false), []);
});

test("the faults that are on are read as the exchange writes them", () => {
  assert.deepEqual([...switchedOn(["drop:500", "duplicates:0.05", "burst:1e+06"])], [["drop", 500], ["duplicates", 0.05], ["burst", 1e6]]);
});

test("faults stand under their headings in the exchange's order", () => {
  const known = [{ name: "drop", group: "Connections" }, { name: "gaps", group: "Market data" }, { name: "mute", group: "Connections" }, { name: "new" }];
  assert.deepEqual(grouped(known).map(([heading, list]) => [heading, list.length]), [["Connections", 2], ["Market data", 1], ["Other", 1]]);
});

test("the summary says what is wrong", () => {
  assert.equal(summary({}), "all is well");
  assert.equal(summary({ faults: ["drop:1"], halted: ["AAPL"] }), "1 fault on, AAPL halted");
  assert.equal(summary({ trouble: "it cannot be reached", faults: [] }), "it cannot be reached");
});

test("a line's fields are those that have no place of their own", () => {
  const line = { ts: 1, level: "INFO", event: "e", message: "m", logger: "l", run: null, decision: 7, symbol: "AAPL" };
  assert.deepEqual(fieldsOf(line), [["decision", 7], ["symbol", "AAPL"]]);
  assert.equal(decisionOf(line), "7");
  assert.equal(decisionOf({ decision: null }), "");
});

test("of many lines the newest are kept, each with a number of its own", () => {
  const first = joined([], Array.from({ length: 400 }, (_, i) => ({ i })), 0);
  const all = joined(first, Array.from({ length: 300 }, (_, i) => ({ i: 400 + i })), 400);
  assert.equal(all.length, 500);
  assert.deepEqual([all[0].number, all.at(-1).number, all.at(-1).line.i], [200, 699, 699]);
});
