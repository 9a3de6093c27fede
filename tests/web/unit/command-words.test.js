import assert from "node:assert/strict";
import test from "node:test";

import { deadlineOf, ordinal, question, sending, since, useless } from "../../../web/static/command-words.js";

test("a try is counted as people count", () => {
  assert.equal(sending(1), "sending…");
  assert.deepEqual([2, 3, 4, 11, 12, 13, 21, 22, 103].map(ordinal), ["2nd", "3rd", "4th", "11th", "12th", "13th", "21st", "22nd", "103rd"]);
  assert.equal(sending(3), "sending… (3rd try)");
});

test("only what cannot be taken back is asked about, and of one symbol it says that others go on", () => {
  assert.equal(question("pause"), null);
  assert.equal(question("lock", "AAPL"), null);
  assert.equal(question("flatten")[2], "Flatten now");
  assert.match(question("flatten", "AAPL")[1], /AAPL is locked until you unlock it\. Other symbols go on\./);
});

test("a command that would change nothing says why", () => {
  assert.equal(useless("pause", "PAUSED"), "Trading is PAUSED already.");
  assert.equal(useless("pause", "HALTED"), "Trading is HALTED, which only Resume lifts.");
  assert.equal(useless("resume", "PAUSED"), "");
  assert.equal(useless("flatten", "PAUSED"), "");
});

test("a resume that cannot work says until when, and a halt by hand can be added to one by the day's loss", () => {
  const until = "the daily loss limit is reached, until 2026-01-06 00:00 (America/New_York)";
  assert.equal(useless("resume", "HALTED", until), `Resume would change nothing: ${until}.`);
  assert.equal(useless("halt", "HALTED", until), "");
  assert.equal(useless("halt", "HALTED"), "Trading is HALTED already.");
});

test("the deadline is by the server's clocks, less what the way took", () => {
  assert.deepEqual(deadlineOf({ now: [1000, 9000], within_ms: 3000 }, 400), [3600, 11600]);
  assert.equal(deadlineOf({ now: [1000, 9000], within_ms: 3000 }, 3000), null);
});

test("time spent asleep counts, and a clock that is set back does not", () => {
  assert.equal(since({ steady: 10, wall: 1000 }, { steady: 20, wall: 61_000 }), 60_000);
  assert.equal(since({ steady: 10, wall: 1000 }, { steady: 20, wall: 0 }), 10);
});
