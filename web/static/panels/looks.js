// Signals and bursts, and what became of them.

import * as format from "../format.js";
import { PLAIN } from "./gauges.js";
import { byId, node, reconcile, row } from "./dom.js";

const readOff = (one) =>
  `${format.words(one.name)} ${PLAIN.has(one.bound) ? format.measured(one.value) : `${format.reading(one.value)} (${format.wanted(one)})`}`;

export function drawLooks(store) {
  const looks = [
    ...store.signals.map((signal) => ({ ...signal, key: `s ${signal.decision_id} ${signal.ts}` })),
    ...store.bursts.map((burst) => ({ ...burst, burst: true, key: `b ${burst.symbol} ${burst.ts} ${burst.side}` })),
  ].sort((a, b) => b.ts - a.ts).slice(0, 100);
  byId("looks-empty").hidden = looks.length > 0;
  reconcile(byId("look-rows"), looks, (look) => look.key, (look) => {
    const made = row([[format.time(look.ts), "muted"], [look.symbol, "symbol"], [look.side, "muted"]]);
    const outcome = node("td", "wide");
    if (look.burst) outcome.append(node("span", "why", `burst of ${look.ticks}: ${format.reason(look.reason)}`));
    else if (look.decision === "APPROVED") outcome.append(node("b", "up", "signal approved"));
    else outcome.append(node("span", "", "signal refused: "), node("span", "down", format.reason(look.reason)), look.why ? node("span", "", ` (${look.why})`) : "");
    made.append(outcome);
    if (look.readings) made.title = look.readings.map(readOff).join(", ");
    return made;
  });
}
