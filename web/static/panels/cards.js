// The cards: the price of the symbol that is shown, and the figures of all.

import * as format from "../format.js";
import { duration, isSilent, tickAge } from "../standing.js";
import { byId, setFigure, setText } from "./dom.js";

/** Say how old the symbol's figures are, and dim them once that is longer than is usual, or not known. */
export function drawAge(store, symbol, link) {
  const now = Date.now();
  const age = tickAge(symbol, store.feed, now);
  const silent = isSilent(symbol, now);
  const old = silent || link.how === "lost";
  setText("price-age", age === null ? "" : `${duration(age)} ago`).dataset.old = String(old);
  for (const id of ["card-price", "quote", "gauges"]) byId(id).classList.toggle("old", old);
}

export function drawPrice(symbol) {
  if (!symbol || symbol.price === null) {
    setFigure("price", "–");
    setText("price-detail", "waiting for a tick…");
    byId("price-detail").className = "detail";
    setText("quote", "");
    return;
  }
  const step = symbol.price - symbol.previous;
  setFigure("price", format.price(symbol.price), format.tone(step));
  const change = symbol.price - symbol.first;
  const arrow = change > 0 ? "▲" : change < 0 ? "▼" : "=";
  const detail = setText("price-detail", `${arrow} ${format.priceStep(change, symbol.price)} (${format.signedPercent(change / symbol.first)})`);
  detail.className = `detail ${format.tone(change)}`;
  detail.title = "Change since the session's first tick";
  const [, , , bid, ask] = symbol.ticks.at(-1)?.tick ?? [];
  setText("quote", bid == null ? "" : `bid ${format.price(bid)}, ask ${format.price(ask)}`);
}

export function drawMetrics(store) {
  const told = store.metrics;
  if (!told) return;
  setFigure("trades", format.count(told.trades));
  setText("trades-detail", told.trades ? `${format.count(told.wins)} won, ${format.count(told.losses)} lost` : "none yet");
  setFigure("win-rate", told.trades ? format.percent(told.win_rate, 1) : "–");
  setText("win-rate-detail", !told.trades ? "no trade yet" : told.consecutive_losses ? `${told.consecutive_losses} lost in a row` : "no losing run");
  const base = told.equity - told.total_pnl;
  setFigure("total-pnl", format.signedMoney(told.total_pnl), format.tone(told.total_pnl));
  setText("total-pnl-detail", base > 0 ? `${format.signedPercent(told.total_pnl / base)} of what it began with` : "\u00a0");
  setFigure("drawdown", told.max_drawdown ? format.money(-Math.abs(told.max_drawdown)) : format.money(0));
  setText("drawdown-detail", `${format.percent(told.max_drawdown_pct)} at worst`);
  setFigure("equity", format.money(told.equity));
  const { open_positions: count, fees } = told;
  const open = `${format.count(count)} open position${count === 1 ? "" : "s"}`;
  // The card is narrow: what was charged, and what that leaves of the estimate, is shown on hover, and in the log.
  setText("equity-detail", fees ? `${format.count(count)} open · fees ${format.money(fees.charged || fees.estimated)}` : open);
  byId("equity-detail").title = fees ? `${open}; ${feesOf(fees)}` : "";
}

function feesOf({ estimated, charged, residual }) {
  const said = `fees ${format.money(estimated)} by estimate`;
  if (!charged) return `${said}, none charged yet`;
  return `${said}, ${format.money(charged)} charged, residual ${format.signedMoney(residual)}`;
}
