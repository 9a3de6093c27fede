// How numbers and times are written.

import assert from "node:assert/strict";
import { test } from "node:test";

import * as format from "../../../web/static/format.js";

/** Check a function at several values: [what it is given, ...], what it makes of it. */
function table(name, make, rows) {
  test(name, () => {
    for (const [given, wanted] of rows) assert.equal(make(...[given].flat()), wanted, `of ${given}`);
  });
}

table("a price has its own digits, and at least as many as its size needs", format.price, [
  [150, "150.00"],
  [150.1234, "150.1234"],
  [0.5, "0.5000"],
  [0.00001234, "0.00001234"],
  [12345.678, "12,345.678"],
  [100.1 + 0.2, "100.30"], // computed: 100.3 and a little
  [-1.5, "−1.50"],
  [null, "–"],
  [Number.NaN, "–"],
]);

table("money shows cents where they matter", format.money, [
  [0, "$0.00"],
  [-0.004, "−$0.004"],
  [1234.5, "$1,234.50"],
  [250000.4, "$250,000"],
  [undefined, "–"],
]);

table("a gain has a plus, and nothing has no sign", format.signedMoney, [
  [3, "+$3.00"],
  [-3, "−$3.00"],
  [0, "$0.00"],
]);

table("nothing but zeros is not negative", format.percent, [
  [-0.00001, "0.00 %"],
  [-0.0123, "−1.23 %"],
  [[0.5, 0], "50 %"],
]);

table("a reading has three digits and no exponent", format.reading, [
  [0.000123456, "0.000123"],
  [12345.6, "12,346"],
  [-0.5, "−0.5"],
]);

const fared = { orders: 1200, submit_to_fill_ms: { p50: 69.6, p99: 120, count: 9 }, slippage_bps: { p50: -0.25, p99: 2.5, count: 9 } };
table("how orders fare is a line, with what is assumed where a broker fills them", format.execution, [
  [{}, ""],
  [{ simulated: true, all: { orders: 1 } }, "1 order"],
  [{ simulated: false, assumed: { latency_ms: 50, latency_jitter_ms: 20, slippage_bps: 0.5 }, all: fared }, "1,200 orders, fill after 70 ms (p99 120), -0.25 bp from the trigger (p99 2.50), assumed 64 ms, 0.50 bp"],
]);

table("a bound is said with its unit", format.bounded, [
  [[3, 10000, "inputs"], "3 of 10,000 inputs"],
  [[0, 4194304, "bytes"], "0 of 4 MiB"],
]);

test("a time is shown in the zone that was set, and an unknown zone is UTC", () => {
  const at = Date.UTC(2026, 0, 5, 14, 31, 7, 123) * 1e6;
  format.setTimeZone("America/New_York");
  assert.equal(format.time(at), "09:31:07");
  assert.match(format.instant(at), /^2026-01-05 09:31:07\.123 EST$/);
  format.setTimeZone("Mars/Olympus");
  assert.equal(format.time(at), "14:31:07");
});

test("an instant has the zone's name of its own moment", () => {
  const change = Date.UTC(2026, 2, 8, 7) * 1e6; // New York goes to summer time
  format.setTimeZone("America/New_York");
  assert.deepEqual([change - 1e9, change, change - 2e9].map(format.instant), ["2026-03-08 01:59:59.000 EST", "2026-03-08 03:00:00.000 EDT", "2026-03-08 01:59:58.000 EST"]);
  format.setTimeZone("UTC");
  assert.equal(format.instant(change), "2026-03-08 07:00:00.000 UTC");
});

test("no time is left after a moment has passed", () => {
  assert.equal(format.secondsLeft(5e9, 3e9), 2);
  assert.equal(format.secondsLeft(3e9, 5e9), 0);
});

test("a reason is said in the server's words, and one that it has none for is written out", () => {
  format.setReasons({ COOLDOWN: "cooling down" });
  assert.equal(format.reason("COOLDOWN"), "cooling down");
  assert.equal(format.reason("SOME_NEW_ONE"), "some new one");
});
