// The session: what runs, its queues, and what happened.

import * as format from "../format.js";
import { many } from "./funnel.js";
import { byId, newestFirst, node, reconcile, setText } from "./dom.js";

function ofPrints(prints) {
  return Object.entries(prints ?? {}).map(([kind, count]) => `${format.count(count)} ${kind}`).join(", ");
}

export function drawSession(store) {
  const told = store.metrics ?? {};
  const ofBroker = Object.entries(store.queues).filter(([name]) => name.startsWith("broker_"));
  const counts = ofBroker.map(([name, n]) => `${format.words(name.slice("broker_".length))} ${n}`).join(", ");
  const facts = [
    ["Session", store.session?.session], ["Strategy", store.session?.strategy], ["Feed", store.session?.feed],
    ["Venue", store.session?.venue], ["Ticks late", format.count(told.ticks_late)],
    ["Ticks rejected", format.count(told.ticks_rejected)], ["Prints that are no plain ticks", ofPrints(told.prints)],
    ["Broker", counts], ["Orders fare", format.execution(store.execution)],
    ...Object.entries(told.strategies ?? {}).map(([name, one]) => [`Strategy ${name}`, ofStrategy(one)]),
  ].filter(([, value]) => value);
  reconcile(byId("session"), facts, (fact) => fact.join(" "), ([name, value]) => {
    const fact = node("div");
    fact.append(node("dt", "", name), node("dd", "", String(value)));
    return fact;
  });
}

/** What one of several strategies has come to. */
function ofStrategy({ symbols, signals, trades, total_pnl, halted }) {
  const counts = `${many(signals, "signal")}, ${many(trades, "trade")}, ${format.signedMoney(total_pnl)}`;
  return `${symbols.join(" ") || "no symbol"}: ${counts}${halted ? ", halted for the day" : ""}`;
}

/** Each queue with a bound: how much of it is taken, and what was dropped so far. */
export function drawQueues(store) {
  byId("queues-title").hidden = !store.bounded.length;
  const rows = store.bounded.map((queue) => [queue.name, format.bounded(queue.depth, queue.limit, queue.unit), queue.dropped, queue.depth / queue.limit]);
  reconcile(byId("queues"), rows, (row) => row.join(" "), ([name, depth, dropped, share]) => {
    const item = node("li");
    item.dataset.tone = dropped ? "bad" : share > 0.5 ? "warn" : "";
    item.append(node("span", "name", name), node("span", "depth", depth));
    if (dropped) item.append(node("b", "", `${format.count(dropped)} dropped`));
    return item;
  });
}

export function drawNotices(store) {
  byId("notices-empty").hidden = store.notices.length > 0;
  const newest = store.notices.at(-1);
  setText("notices-newest", newest ? `${newest.ts ? `${format.time(newest.ts)} ` : ""}${newest.text}` : "").title = "The newest event";
  reconcile(byId("notices"), newestFirst(store.notices), (notice) => `${notice.ts} ${notice.text}`, (notice) => {
    const item = node("li");
    if (notice.ts) item.title = format.instant(notice.ts);
    item.append(node("time", "", notice.ts ? format.time(notice.ts) : "before the first tick"), node("span", "", notice.text));
    return item;
  });
}
