// The figures of closed trades in words: what is shown where there are too few trades for a ratio.

import * as format from "./format.js";

/** Whether a ratio is not shown, and why; empty where it is. */
function tooFew(told, what = "trades", count = told.trades) {
  return count < told.least_trades ? `${count} of ${told.least_trades} ${what}` : "";
}

/** A figure that can be missing: [text, why it is missing]. */
const ratio = (value, text, why) => (value === null ? ["–", why] : [text(value), ""]);

const factor = (value) => format.reading(Number(value.toFixed(2)));

/**
 * The figures: [key, name, text, detail, tone, title]. The title has the definition; docs/DASHBOARD.md has its source.
 */
export function figures(told) {
  const few = tooFew(told);
  const none = !told.trades;
  const noLoss = !few && !told.losses ? "no loss yet" : few;
  const noWin = !few && !told.wins ? "no win yet" : "";
  const money = (value) => format.signedMoney(value);
  const rows = [
    ["pnl", "P/L", money(told.total_pnl), none ? "no trade yet" : `${money(told.before_fees)} before fees`, format.tone(told.total_pnl), "Profit and loss of closed trades after fees, realised."],
    ["trades", "Trades", format.count(told.trades), none ? "none yet" : `${format.count(told.wins)} won, ${format.count(told.losses)} lost${told.breakeven ? `, ${format.count(told.breakeven)} even` : ""}`, "", "Closed trades."],
    ["win_rate", "Win rate", ...ratio(told.win_rate, (value) => format.percent(value, 1), few), "", "Winning trades / trades, after fees."],
    ["expectancy", "Expectancy", ...ratio(told.expectancy, money, few), tone(told.expectancy), "P/L / trades: what one trade brings on average, after fees."],
    ["profit_factor", "Profit factor", ...ratio(told.profit_factor, factor, noLoss), "", "Sum of the wins / sum of the losses, after fees. Above 1 the wins are larger."],
    ["payoff_ratio", "Payoff ratio", ...ratio(told.payoff_ratio, factor, noLoss || noWin), "", "Average win / average loss, after fees."],
    ["average_win", "Average win", ...ratio(told.average_win, money, "no win yet"), told.average_win === null ? "" : "up", "Sum of the wins / number of wins, after fees."],
    ["average_loss", "Average loss", ...ratio(told.average_loss, money, "no loss yet"), told.average_loss === null ? "" : "down", "Sum of the losses / number of losses, after fees."],
    ["current_drawdown", "Drawdown now", drop(told.current_drawdown), told.current_drawdown ? `${format.percent(told.current_drawdown_pct)}, since ${when(told.drawdown_since_ts)}` : "at its highest", told.current_drawdown ? "down" : "", "How far equity is below its highest after any of these trades."],
    ["max_drawdown", "Max drawdown", drop(told.max_drawdown), told.max_drawdown ? `${format.percent(told.max_drawdown_pct)}, ${when(told.max_drawdown_ts)}` : "none", told.max_drawdown ? "down" : "", `The farthest that equity after a trade was below its highest before.${told.max_drawdown ? ` It fell from ${format.instant(told.max_drawdown_since_ts)} to ${format.instant(told.max_drawdown_ts)}.` : ""}`],
    ["time_stop_accuracy", "Time-stop accuracy", ...timeStops(told), "", "Of the trades that the time stop (TIME) closed, the share that ended in profit after fees."],
    ["fees", "Fees paid", format.money(told.fees), none ? "" : `${format.money(told.fees / told.trades)} a trade`, "", "Charged, or estimated where the venue has not told yet. They are in P/L already."],
    ["entry_slippage", "Entry slippage", told.entry_slippage === null ? "–" : format.money(told.entry_slippage), slippageOf(told), "", "What entries cost beyond the price that their signals saw; below 0 they were cheaper. It is in P/L already."],
    ["exposure", "Time in the market", none ? "–" : format.held(told.exposure_s * 1e9), told.average_held_s === null ? "" : `${format.held(told.average_held_s * 1e9)} a trade`, "", "Time with a position open; where several were, it counts once."],
    ["best", "Best, worst", told.best === null ? "–" : money(told.best), told.worst === null ? "" : `worst ${money(told.worst)}`, tone(told.best), "The trades that brought most and least, after fees."],
  ];
  return rows.map(([key, name, text, detail, colour, title]) => ({ key, name, text, detail, tone: colour, title }));
}

const tone = (value) => (value === null ? "" : format.tone(value));
const drop = (value) => (value ? format.money(-value) : format.money(0));
const when = (ts) => `${format.dateOf(ts)}, ${format.time(ts).slice(0, 5)}`;

function timeStops(told) {
  const { time_stops: stops, time_stops_won: won } = told;
  if (!stops) return ["–", "no time stop yet"];
  if (told.time_stop_accuracy === null) return ["–", tooFew(told, "time stops", stops)];
  return [format.percent(told.time_stop_accuracy, 1), `${format.count(won)} of ${format.count(stops)} won`];
}

function slippageOf({ entry_slippage: slippage, entry_slippage_trades: known, trades }) {
  if (slippage === null) return trades ? "of no trade known" : "no trade yet";
  return known < trades ? `of ${format.count(known)} of ${format.count(trades)} trades` : `${format.money(slippage / known)} a trade`;
}

/** A group's row: name, trades, win rate, P/L, fees. */
export function group(name, { trades, wins, win_rate: rate, pnl, fees }) {
  return { name, trades: format.count(trades), won: rate === null ? `${wins} of ${trades}` : format.percent(rate, 0), pnl: format.signedMoney(pnl), tone: format.tone(pnl), fees: format.money(fees) };
}

/**
 * A curve as the points of an SVG polyline in a box of `width` by `height`, and where its zero is; null where it has
 * fewer than two points. Points are [ns, money], one after each trade; they are drawn at equal distances, not to scale in time.
 */
export function curve(points, width, height) {
  if (points.length < 2) return null;
  const values = points.map(([, value]) => value);
  const [low, high] = [Math.min(0, ...values), Math.max(0, ...values)];
  const y = (value) => (high === low ? height / 2 : height - ((value - low) / (high - low)) * height);
  const x = (place) => (place / (points.length - 1)) * width;
  const told = values.map((value, i) => `${x(i).toFixed(1)},${y(value).toFixed(1)}`).join(" ");
  return { points: told, zero: Number(y(0).toFixed(1)), said: `P/L added up after each trade: from ${format.signedMoney(values[0])} to ${format.signedMoney(values.at(-1))}, lowest ${format.signedMoney(Math.min(...values))}, highest ${format.signedMoney(Math.max(...values))}.` };
}

/** The 24 hours of a day as bars: [hour, share of the largest, up or down, what is said of it]. */
export function hours(byHour) {
  const most = Math.max(...Object.values(byHour).map(({ pnl }) => Math.abs(pnl)), 0);
  return Array.from({ length: 24 }, (_, hour) => {
    const found = byHour[String(hour).padStart(2, "0")];
    const name = `${String(hour).padStart(2, "0")}:00`;
    if (!found) return { hour, share: 0, tone: "", said: `${name}: no trade` };
    const share = most ? found.pnl / most : 0;
    return { hour, share, tone: format.tone(found.pnl), said: `${name}: ${format.signedMoney(found.pnl)}, ${format.count(found.trades)} trades` };
  });
}
