// How the chart's bars are folded, and which slots its time axis has.

import assert from "node:assert/strict";
import { test } from "node:test";

import { axisOf, barsOfTicks, folded, foldWorth, indexAt, labelled, LiveBars, rowsOf, slotsBetween, spanWords } from "../../../web/static/chart/bars.js";

const row = (second, price, volume = 1, high = price, low = price) => [second, price, high, low, price, volume, price - 1, price + 1];

test("columns become rows", () => {
  assert.deepEqual(rowsOf({ time: [1, 2], worth: [5, 6], low: [4, 5], drawdown: [0, 1] }, ["time", "worth", "low", "drawdown"]), [[1, 5, 4, 0], [2, 6, 5, 1]]);
  assert.deepEqual(rowsOf({ time: [] }, ["time"]), []);
});

test("a wider bar has the first, highest, lowest and last price of its seconds, and their volume", () => {
  const bars = folded([row(10, 5), row(11, 9, 2), row(14, 3, 4), row(15, 7)], 5);
  assert.deepEqual(bars, [[10, 5, 9, 3, 3, 7, 2, 4], [15, 7, 7, 7, 7, 1, 6, 8]]);
});

test("a spike survives any width", () => {
  const rows = Array.from({ length: 600 }, (_, s) => row(s, s === 77 ? 500 : 100));
  for (const width of [1, 2, 5, 15, 60, 300]) assert.equal(Math.max(...folded(rows, width).map((bar) => bar[2])), 500);
});

test("the worth of a bar is that at its end, with the deepest drawdown in it", () => {
  assert.deepEqual(folded([[0, 10, 10, 0], [1, 7, 7, 3], [2, 9, 9, 1]], 5, foldWorth), [[0, 9, 7, 3]]);
});

test("ticks become bars of less than a second, at times that are exact", () => {
  const bars = barsOfTicks([[1.05e9, 10, 1, 9, 11], [1.09e9, 12, 2, null, null], [1.31e9, 11, 3, 9, 11]], 0.1);
  assert.deepEqual(bars.map(([time, , high, , close, volume, bid]) => [time, high, close, volume, bid]), [[1, 12, 12, 3, 9], [1.3, 11, 11, 3, 9]]);
});

test("quiet seconds have slots of their own", () => {
  assert.deepEqual(axisOf([row(10, 1), row(11, 1), row(15, 1)], 1), [10, 11, 12, 13, 14, 15]);
  assert.deepEqual(axisOf([row(10, 1), row(25, 1)], 5, 37), [10, 15, 20, 25, 30, 35]);
});

test("a night is drawn shorter, and its slots stay in order", () => {
  const night = 16 * 3600;
  const axis = axisOf([row(0, 1), row(night, 1)], 60);
  assert.ok(axis.length < 20, String(axis.length));
  assert.ok(axis.every((time, i) => i === 0 || time > axis[i - 1]));
  assert.deepEqual([axis[0], axis.at(-1)], [0, night]);
});

test("an axis does not go on for ever when nothing is traded any more", () => {
  assert.deepEqual(axisOf([row(0, 1)], 1, 5000), [0]);
  assert.deepEqual(axisOf([], 1, 5000), []);
});

test("there is no slot between neighbours", () => {
  assert.deepEqual(slotsBetween(5, 6, 1), []);
  assert.deepEqual(slotsBetween(1, 1.3, 0.1), [1.1, 1.2]);
});

test("a second that is told again replaces itself, and its volume counts once", () => {
  const live = new LiveBars([row(0, 1, 10), row(5, 2, 3)], 5, [row(5, 2, 3)]);
  assert.ok(live.put(row(5, 4, 5)));
  assert.ok(live.put(row(6, 3, 2)));
  assert.deepEqual(live.bars.map((bar) => [bar[0], bar[2], bar[4], bar[5]]), [[0, 1, 1, 10], [5, 4, 3, 7]]);
});

test("what comes too late for the newest bar is left out", () => {
  const live = new LiveBars([row(0, 1), row(1, 2)], 1);
  assert.equal(live.put(row(0, 9)), false);
  assert.ok(live.put(row(3, 4)));
  assert.equal(live.put(row(2, 9)), false);
  assert.deepEqual(live.bars.map((bar) => bar[4]), [1, 2, 4]);
});

test("a time is found among slots", () => {
  assert.deepEqual([5, 10, 12, 30, 99].map((time) => indexAt([10, 20, 30], time)), [-1, 0, 0, 2, 2]);
});

test("of labels that would overlap the newest is shown", () => {
  const marks = [{ x: 0, wide: 40 }, { x: 30, wide: 40 }, { x: 100, wide: 0 }, { x: 110, wide: 40 }];
  assert.deepEqual([...labelled(marks)].sort(), [1, 3]);
});

test("spans are said in words", () => {
  assert.deepEqual([60, 300, 3600, 86_400].map(spanWords), ["1 minute", "5 minutes", "1 hour", "1 day"]);
});
