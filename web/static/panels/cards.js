// The card of the price of the symbol that is shown, and how old it is.

import * as format from "../format.js";
import { isCurrent, isProfitOld, isSilent, tickAge } from "../standing.js";
import { byId, setFigure, setText } from "./dom.js";

/** Say how old the symbol's figures are, and dim them, and profit at old prices, once that is longer than is usual, or not known. */
export function drawAge(store, symbol, link) {
  const now = Date.now();
  const age = tickAge(symbol, store.feed, now);
  const silent = isSilent(symbol, now);
  const old = silent || !isCurrent(link, now);
  setText("price-age", age === null ? "" : `${format.age(age)} ago`).dataset.old = String(old);
  for (const id of ["card-price", "gauges", "gauges-chip"]) byId(id).classList.toggle("old", old);
  const oldProfit = isProfitOld(store, link, now);
  for (const id of ["day", "day-line", "positions-aside", "tabs"]) byId(id).classList.toggle("old-profit", oldProfit);
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
