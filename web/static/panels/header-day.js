// The day's P/L in the header, where it is always in sight.

import * as format from "../format.js";
import { dayProfit } from "../standing.js";
import { setText } from "./dom.js";

export function drawHeaderDay(store) {
  const day = dayProfit(store);
  if (!day) return;
  setText("top-day", format.signedMoney(day.profit)).className = format.tone(day.profit);
  setText("top-day-detail", day.start ? format.signedPercent(day.profit / day.start) : "");
}
