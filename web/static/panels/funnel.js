// From tick to trade: how many came how far, and what stopped the others.

import * as format from "../format.js";
import { byId, node, reconcile } from "./dom.js";

const STEPS = [
  ["ticks", "Ticks", "Accepted ticks"],
  ["ready", "Ready", "Ticks with a full window"],
  ["bursts", "Bursts", "Runs of ticks that point the same way"],
  ["signals", "Signals", "Bursts in which every condition was met at one tick"],
  ["approved", "Approved", "Signals that the risk check let through"],
  ["filled", "Filled", "Entries that were filled, at least in part"],
  ["trades", "Trades", "Closed trades"],
];

export function drawFunnel(store) {
  if (!store.metrics) return;
  const { funnel, blocked } = store.metrics;
  const list = byId("funnel");
  reconcile(list, STEPS, ([name]) => name, ([, label, meaning]) => {
    const step = node("li");
    step.title = meaning;
    step.append(node("span", "", label), node("b"));
    return step;
  });
  // Steps differ by orders of magnitude, so bars grow with the logarithm of the count.
  const scale = Math.log1p(funnel.ticks) || 1;
  STEPS.forEach(([name], i) => {
    const step = list.children[i];
    step.lastElementChild.textContent = format.count(funnel[name]);
    step.style.setProperty("--share", Math.min(1, Math.log1p(funnel[name]) / scale).toFixed(3));
  });
  drawReasons("blocked", blocked);
  drawReasons("refusals", store.refusals);
}

function drawReasons(id, counts) {
  const found = Object.entries(counts).filter(([, n]) => n > 0).sort((a, b) => b[1] - a[1]);
  const items = found.length ? found : [["", 0]];
  reconcile(byId(id), items, ([code, n]) => `${code} ${n}`, ([code, n]) => {
    if (!code) return node("li", "none", "none");
    const item = node("li");
    item.title = code;
    item.append(node("span", "", format.reason(code)), node("b", "", format.count(n)));
    return item;
  });
}

function nothingPoints(store) {
  const readings = [...store.symbols.values()].flatMap((symbol) => symbol.gauges?.readings ?? []);
  if (readings.some((reading) => reading.name === "momentum")) return "no burst, the momentum has not reached its threshold";
  return "nothing has pointed LONG or SHORT";
}

export const many = (n, what) => `${format.count(n)} ${what}${n === 1 ? "" : "s"}`;

/** Why there is no trade yet, in one sentence. */
export function whyNoTrade(store) {
  const funnel = store.metrics?.funnel;
  const most = (counts) => {
    const [top] = Object.entries(counts ?? {}).filter(([, n]) => n > 0).sort((a, b) => b[1] - a[1]);
    return top ? `, most often: ${format.reason(top[0])}` : "";
  };
  if (!funnel?.ticks) return "no trade yet: no tick has come in";
  if (store.positions.size) return "no closed trade yet: a position is open";
  if (!funnel.ready) return "no trade yet: the window is still warming up";
  if (!funnel.bursts) return `no trade yet: ${nothingPoints(store)}`;
  if (!funnel.signals) return `no trade yet: ${many(funnel.bursts, "burst")} but no signal${most(store.metrics.blocked)}`;
  if (!funnel.approved) return `no trade yet: ${many(funnel.signals, "signal")}, all refused${most(store.refusals)}`;
  return "no closed trade yet";
}
