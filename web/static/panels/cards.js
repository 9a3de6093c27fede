// The cards: the price and the position of the symbol that is shown, and the figures of all.

import * as format from "../format.js";
import { byId, setFigure, setText } from "./dom.js";

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

export function drawPosition(store, symbol) {
  const position = symbol ? store.positions.get(symbol.name) : null;
  const countdown = byId("countdown");
  if (!position) {
    const others = [...store.positions.keys()];
    setFigure("position", "Flat");
    setText("position-detail", others.length ? `open: ${others.join(", ")}` : "no open position");
    countdown.hidden = true;
    return;
  }
  setFigure("position", `${position.side} ${format.quantity(position.quantity)}  ${format.signedMoney(position.open_profit)}`, format.tone(position.open_profit), 17);
  // The exits' own time, where one of them waits for any; else the fallback's.
  const due = position.time_stop_ts ?? position.fallback_ts;
  const left = due === null ? null : format.secondsLeft(due, store.now);
  const until = position.time_stop_ts === null ? "until the fallback" : "left";
  const guarded = position.guard ? `; guarded by ${position.guard}` : "";
  setText("position-detail", `at ${format.price(position.entry_price)}${left === null ? "" : `, ${left.toFixed(1)} s ${until}`}`).title =
    `Entry price${left === null ? "" : `, and the time until the ${position.time_stop_ts === null ? "fallback" : "time stop"}`}${guarded}`;
  countdown.hidden = left === null;
  if (left !== null) {
    const whole = (due - position.entry_ts) / 1e9;
    countdown.firstElementChild.style.transform = `scaleX(${Math.min(1, left / (whole || 1)).toFixed(3)})`;
  }
}

export function drawMetrics(store) {
  const told = store.metrics;
  if (!told) return;
  const start = told.equity - told.daily_pnl;
  setFigure("daily-pnl", format.signedMoney(told.daily_pnl), format.tone(told.daily_pnl));
  setText("daily-pnl-detail", start > 0 ? `${format.signedPercent(told.daily_pnl / start)} today` : "\u00a0");
}
