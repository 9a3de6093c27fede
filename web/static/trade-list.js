// What the list of trades shows and asks for; how it is drawn, panels/trades.js knows.

import * as format from "./format.js";

export const SCOPES = [
  ["session", "This session", "Trades since this bot started."],
  ["today", "Today", "Trades that ended on this trading day, also those of earlier sessions."],
  ["all", "All time", "All trades of this account that the journal holds."],
];

export const PAGE = 100; // rows

export const RESULTS = [["win", "won"], ["loss", "lost"], ["even", "even"]];

/** The column's name to the server, its head, whether it is a number, what it means, and what stands in it.
 * @type {[string, string, boolean, string][]} */
export const COLUMNS = [
  ["exit_ts", "Exit", false, "When it was closed"],
  ["symbol", "Symbol", false, ""],
  ["side", "Side", false, ""],
  ["quantity", "Quantity", true, "Shares"],
  ["entry_price", "Entry", true, "Average price of the entry"],
  ["exit_price", "Exit at", true, "Average price of the exit"],
  ["held", "Held", true, "From the entry to the exit"],
  ["exit_reason", "Reason", false, "Why it was closed"],
  ["pnl", "P/L", true, "After fees"],
  ["pnl_pct", "P/L %", true, "Of the entry's value, after fees"],
  ["fees", "Fees", true, "Charged or estimated; they are in P/L already"],
  ["entry_slippage", "Slippage", true, "What the entry cost beyond the price that its signal saw; below 0 it was cheaper. It is in P/L already"],
  ["run", "Session", true, "The session that it ended in, as the journal counts them"],
];

/** What is listed first: the newest of today.
 * @type {Readonly<Record<"scope" | "symbol" | "side" | "reason" | "result" | "text" | "sort" | "order", string> & {offset: number}>} */
export const START = Object.freeze({ scope: "today", symbol: "", side: "", reason: "", result: "", text: "", sort: "exit_ts", order: "desc", offset: 0 });

/** The parameters of a list; without `page`, of all that pass the filters. */
export function parameters(view, page = true) {
  const wanted = new URLSearchParams();
  for (const name of ["scope", "symbol", "side", "reason", "result", "text", "sort", "order"]) {
    if (view[name]) wanted.set(name, view[name]);
  }
  if (page) {
    wanted.set("offset", String(view.offset));
    wanted.set("limit", String(PAGE));
  }
  return wanted.toString();
}

/** The view after a click on a column's head: numbers and times begin with the largest, words with the first. */
export function sorted(view, column) {
  const words = ["symbol", "side", "exit_reason"].includes(column);
  const first = words ? "asc" : "desc";
  const order = view.sort !== column ? first : view.order === "asc" ? "desc" : "asc";
  return { ...view, sort: column, order, offset: 0 };
}

export const isFiltered = (view) => Boolean(view.symbol || view.side || view.reason || view.result || view.text);

/** What stands in a cell. On another day than `day` (as the server names it) the time has its date. */
export function cell(trade, column, day = "") {
  switch (column) {
    case "exit_ts": return format.instant(trade.exit_ts).startsWith(day) ? format.time(trade.exit_ts) : `${format.dateOf(trade.exit_ts)} ${format.time(trade.exit_ts)}`;
    case "quantity": return format.quantity(trade.quantity);
    case "entry_price": return format.price(trade.entry_price);
    case "exit_price": return format.price(trade.exit_price);
    case "held": return format.held(trade.exit_ts - trade.entry_ts);
    case "pnl": return format.signedMoney(trade.pnl);
    case "pnl_pct": return format.signedPercent(trade.pnl_pct);
    case "fees": return format.money(trade.fees);
    case "entry_slippage": return trade.entry_slippage === null ? "–" : format.money(trade.entry_slippage);
    case "run": return trade.run ? String(trade.run) : "–";
    default: return String(trade[column]);
  }
}

export const resultOf = (trade) => (trade.pnl > 1e-9 ? "win" : trade.pnl < -1e-9 ? "loss" : "even");

/** What the trades that are listed come to, in words. */
export function totals({ trades, wins, losses, win_rate: rate, pnl, fees, entry_slippage: slippage }) {
  if (!trades) return [];
  const even = trades - wins - losses;
  return [
    ["Trades", `${format.count(trades)} (${format.count(wins)} won, ${format.count(losses)} lost${even ? `, ${format.count(even)} even` : ""})`, ""],
    ["Won", format.percent(rate, 1), ""],
    ["P/L", format.signedMoney(pnl), format.tone(pnl)],
    ["Fees", format.money(fees), ""],
    ["Entry slippage", slippage === null ? "not known" : format.money(slippage), ""],
  ];
}

/** Which rows of how many are shown. */
export function shownOf(offset, rows, trades) {
  return rows ? `${format.count(offset + 1)}–${format.count(offset + rows)} of ${format.count(trades)}` : "";
}
