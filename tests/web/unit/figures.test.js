import assert from "node:assert/strict";
import { test } from "node:test";

import { curve, figures, group, hours } from "../../../web/static/figures.js";

const NOTHING = {
  trades: 0, wins: 0, losses: 0, breakeven: 0, win_rate: null, total_pnl: 0, before_fees: 0, fees: 0, average_win: null,
  average_loss: null, best: null, worst: null, expectancy: null, profit_factor: null, payoff_ratio: null, time_stops: 0,
  time_stops_won: 0, time_stop_accuracy: null, entry_slippage: null, entry_slippage_trades: 0, exposure_s: 0,
  average_held_s: null, current_drawdown: 0, current_drawdown_pct: 0, drawdown_since_ts: 0, max_drawdown: 0,
  max_drawdown_pct: 0, max_drawdown_ts: 0, max_drawdown_since_ts: 0, least_trades: 5,
};

const said = (told) => Object.fromEntries(figures({ ...NOTHING, ...told }).map((one) => [one.key, [one.text, one.detail]]));

test("without a trade nothing is a zero that would be read as a result", () => {
  const found = said({});
  for (const key of ["win_rate", "expectancy", "profit_factor", "payoff_ratio", "average_win", "average_loss", "entry_slippage", "exposure", "best"]) {
    assert.equal(found[key][0], "–", key);
  }
  assert.deepEqual(found.trades, ["0", "none yet"]);
  assert.deepEqual(found.time_stop_accuracy, ["–", "no time stop yet"]);
});

test("too few trades are said to be too few", () => {
  const found = said({ trades: 3, wins: 2, losses: 1, average_win: 1, average_loss: -1 });
  assert.deepEqual(found.win_rate, ["–", "3 of 5 trades"]);
  assert.deepEqual(found.profit_factor, ["–", "3 of 5 trades"]);
  assert.deepEqual(found.average_win, ["+$1.00", ""]);
});

test("an infinite profit factor is no loss yet", () => {
  const found = said({ trades: 6, wins: 6, win_rate: 1, expectancy: 1, average_win: 1 });
  assert.deepEqual(found.profit_factor, ["–", "no loss yet"]);
  assert.deepEqual(found.payoff_ratio, ["–", "no loss yet"]);
  assert.deepEqual(found.win_rate, ["100.0 %", ""]);
});

test("time stops are counted apart from trades", () => {
  assert.deepEqual(said({ trades: 50, time_stops: 4, time_stops_won: 3 }).time_stop_accuracy, ["–", "4 of 5 time stops"]);
  assert.deepEqual(said({ trades: 50, time_stops: 8, time_stops_won: 6, time_stop_accuracy: 0.75 }).time_stop_accuracy, ["75.0 %", "6 of 8 won"]);
});

test("slippage says of how many trades it is known", () => {
  assert.equal(said({ trades: 4, entry_slippage: 0.4, entry_slippage_trades: 2 }).entry_slippage[1], "of 2 of 4 trades");
  assert.equal(said({ trades: 4, entry_slippage: 0.4, entry_slippage_trades: 4 }).entry_slippage[1], "$0.10 a trade");
});

test("a group of few trades counts them instead of a rate", () => {
  assert.equal(group("AAPL", { trades: 2, wins: 1, win_rate: null, pnl: 1, fees: 0 }).won, "1 of 2");
  assert.equal(group("AAPL", { trades: 8, wins: 2, win_rate: 0.25, pnl: 1, fees: 0 }).won, "25 %");
});

test("a curve stays in its box with zero in it, and is told in words", () => {
  assert.equal(curve([[1, 2]], 100, 40), null);
  const drawn = curve([[1, 1], [2, -1], [3, 3]], 100, 40);
  assert.equal(drawn.points, "0.0,20.0 50.0,40.0 100.0,0.0");
  assert.equal(drawn.zero, 30);
  assert.match(drawn.said, /from \+\$1\.00 to \+\$3\.00/);
  assert.equal(curve([[1, 0], [2, 0]], 100, 40).points, "0.0,20.0 100.0,20.0");
});

test("each hour has its place, and the largest its full height", () => {
  const bars = hours({ "09": { pnl: -2, trades: 3 }, "10": { pnl: 1, trades: 1 } });
  assert.equal(bars.length, 24);
  assert.deepEqual([bars[9].share, bars[9].tone, bars[10].share, bars[0].share], [-1, "down", 0.5, 0]);
  assert.equal(bars[0].said, "00:00: no trade");
});
