// When parts are drawn, without a browser: the clock and the screen's frames are made here.

import assert from "node:assert/strict";
import { test } from "node:test";

import { Pace, TICKS_MS } from "../../../web/static/pace.js";

const FRAME_MS = 16;

/** A pace with what it drew, as [time, ...parts]; `pass` lets time go by, frame by frame. */
function paced(t) {
  t.mock.timers.enable({ apis: ["setTimeout"] });
  let now = 0;
  const drawn = [];
  const pace = new Pace((parts) => drawn.push([now, ...[...parts].sort()]), {
    frame: (then) => { setTimeout(then, FRAME_MS); }, clock: () => now,
  });
  const pass = (ms) => {
    for (const end = now + ms; now < end;) {
      now += 1;
      t.mock.timers.tick(1);
    }
  };
  return { pace, drawn, pass };
}

test("what ticks change is drawn at once after a quiet time, and then five times a second, all of it together", (t) => {
  const { pace, drawn, pass } = paced(t);
  for (let n = 0; n < 100; n += 1) { // ten times a second, for ten seconds
    pace.mark("ticks", "price");
    pace.mark(n % 2 ? "position" : "gauges");
    pass(100);
  }
  const [first, ...later] = drawn;
  assert.deepEqual(first, [FRAME_MS + 1, "gauges", "price", "ticks"]);
  assert.ok(drawn.length >= 49 && drawn.length <= 51, `${drawn.length}`);
  for (const [, ...parts] of later.slice(0, -1)) assert.deepEqual(parts, ["gauges", "position", "price", "ticks"]);
  const gaps = later.map(([at], n) => at - drawn[n][0]);
  assert.ok(Math.min(...gaps) >= TICKS_MS, `${gaps}`);
});

test("nothing that ticks have changed stays undrawn when no more come", (t) => {
  const { pace, drawn, pass } = paced(t);
  pace.mark("price");
  pass(20);
  pace.mark("price");
  pass(TICKS_MS + FRAME_MS);
  assert.equal(drawn.length, 2);
  pass(10_000);
  assert.equal(drawn.length, 2);
});

for (const part of ["everything", "fills", "status", "trades"]) {
  test(`${part} is drawn with the next frame, and what ticks have changed with it`, (t) => {
    const { pace, drawn, pass } = paced(t);
    pace.mark("price");
    pass(20);
    pace.mark("price", "position");
    pace.mark(part);
    pass(FRAME_MS);
    assert.deepEqual(drawn[1].slice(1), [part, "position", "price"].sort());
    pass(TICKS_MS + FRAME_MS);
    assert.equal(drawn.length, 2); // they were not drawn again
  });
}

test("a page without frames draws all that it missed in one", (t) => {
  t.mock.timers.enable({ apis: ["setTimeout"] });
  const frames = [];
  const drawn = [];
  const pace = new Pace((parts) => drawn.push([...parts].sort()), { frame: (then) => frames.push(then), clock: () => 0 });
  pace.mark("price");
  t.mock.timers.tick(TICKS_MS);
  pace.mark("price", "looks", "status");
  t.mock.timers.tick(TICKS_MS);
  assert.equal(frames.length, 1);
  frames[0]();
  assert.deepEqual(drawn, [["looks", "price", "status"]]);
  t.mock.timers.tick(10 * TICKS_MS);
  assert.equal(frames.length, 1); // nothing is out of date
});
