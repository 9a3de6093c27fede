// The last ticks of the symbol that is shown.

import * as format from "../format.js";
import { byId, reconcile, row, setText } from "./dom.js";

export function drawTicks(symbol) {
  const ticks = symbol?.ticks ?? [];
  byId("ticks-empty").hidden = ticks.length > 0;
  setText("ticks-aside", symbol?.seen ? `${symbol.name}, ${format.count(symbol.seen + symbol.skipped)} seen` : symbol?.name ?? "");
  const items = ticks.map((entry, i) => ({ ...entry, before: i ? ticks[i - 1].tick[1] : entry.tick[1] }));
  reconcile(byId("tick-rows"), items.reverse(), (entry) => `${symbol.name} ${entry.key}`, ({ tick, before }) => {
    const [ts, price, size, bid, ask] = tick;
    return row([
      [format.timeMillis(ts), "muted"], [format.price(price), `n ${format.tone(price - before)}`], [format.quantity(size), "n"],
      [format.price(bid), "n"], [format.price(ask), "n"],
    ]);
  });
}
