// The recent trades.

import * as format from "../format.js";
import { whyNoTrade } from "./funnel.js";
import { byId, newestFirst, reconcile, row, setText } from "./dom.js";

export function drawTrades(store) {
  byId("trades-empty").hidden = store.trades.length > 0;
  if (!store.trades.length) setText("trades-empty", whyNoTrade(store));
  reconcile(byId("trade-rows"), newestFirst(store.trades), (trade) => `${trade.decision_id} ${trade.exit_ts}`, (trade) => {
    const made = row([
      [format.time(trade.exit_ts)], [trade.symbol, "symbol"], [trade.side, "muted"], [format.price(trade.entry_price), "n"],
      [format.price(trade.exit_price), "n"], [trade.exit_reason, "reason"], [format.signedMoney(trade.pnl), "n pnl"],
    ], trade.pnl > 0 ? "win" : trade.pnl < 0 ? "loss" : "even");
    made.title = `${format.instant(trade.exit_ts)}: ${format.exitReason(trade.exit_reason)}; ${format.quantity(trade.quantity)} held for ` +
      `${((trade.exit_ts - trade.entry_ts) / 1e9).toFixed(1)} s, ${format.signedPercent(trade.pnl_pct)}`;
    return made;
  });
}
