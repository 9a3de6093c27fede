// The story of a decision as `microbot explain --json` tells it, as what the black box shows of it.

import * as format from "./format.js";

const find = (story, type) => story.facts.find((fact) => fact.type === type);

/** What was traded, and what came of it. */
export function summary(story) {
  const closed = find(story, "position_closed");
  const signal = find(story, "signal")?.signal;
  return {
    symbol: closed?.symbol ?? signal?.symbol ?? "",
    side: closed?.side ?? signal?.side ?? "",
    quantity: closed ? Number(closed.quantity) : null,
    entry: closed ? { ts: closed.entry_ts, price: Number(closed.entry_price) } : null,
    exit: closed ? { ts: closed.exit_ts, price: Number(closed.exit_price) } : null,
    reason: closed?.exit_reason ?? "",
    pnl: story.costs ? Number(story.costs.pnl) : null,
    decision: `${story.run}/${story.decision}`,
    strategy: story.strategy,
  };
}

/** The fills, as marks of the chart. */
export function marks(story) {
  const pnl = summary(story).pnl ?? 0;
  const legs = new Map(story.facts.filter((fact) => fact.type === "order_submitted").map(({ order }) => [order.id, order.leg]));
  return story.facts
    .filter((fact) => fact.type === "order_filled" && !fact.execution.undone)
    .map(({ execution: done }) => ({
      ts: done.ts, side: done.side, price: Number(done.price), leg: legs.get(done.order) === "entry" ? "entry" : "exit", pnl, label: "",
    }));
}

/** Each condition once: what was wanted of it, what it read at the entry, and what at the exit. */
export function readings(story, atExit = null) {
  const entry = find(story, "signal")?.signal.readings ?? [];
  const rows = new Map();
  for (const [at, found] of [["entry", entry], ["exit", atExit ?? []]]) {
    for (const reading of found) {
      if (!rows.has(reading.name)) rows.set(reading.name, { name: reading.name, wanted: wantedOf(reading), entry: null, exit: null });
      rows.get(reading.name)[at] = { text: figureOf(reading), passed: reading.bound === "none" ? null : reading.passed };
    }
  }
  return [...rows.values()];
}

function wantedOf(reading) {
  if (reading.bound === "none") return "";
  return reading.bound === "rule" ? "holds" : format.wanted(reading);
}

function figureOf(reading) {
  if (reading.bound === "rule") return reading.passed ? `holds, ${reading.value > 0 ? "LONG" : "SHORT"}` : "does not hold";
  return reading.bound === "none" ? format.measured(reading.value) : format.reading(reading.value);
}

/** What happened, in its order: when, how long after the signal, and what. */
export function events(story) {
  const lines = story.facts.map((fact) => told(fact)).filter(Boolean);
  const first = lines.find((line) => line.ts)?.ts ?? 0;
  return lines.map((line) => ({ ...line, after: line.ts ? after(line.ts - first) : "" }));
}

const after = (ns) => (ns < 1e9 ? `+${(ns / 1e6).toFixed(0)} ms` : `+${(ns / 1e9).toFixed(3)} s`);

/** What was said from outside and in force as a signal was made. */
function saidOutside({ external = [] }) {
  const side = (value) => ({ 1: "LONG", "-1": "SHORT" })[value] ?? String(value);
  return external.map(({ name, value, id }) => `; said from outside: ${name} ${side(value)} (${id})`).join("");
}

function told(fact) {
  const { type } = fact;
  if (type === "signal") {
    const { signal } = fact;
    const verdict = fact.approved ? "approved" : `refused: ${format.reason(fact.reason)}${fact.why ? ` (${fact.why})` : ""}`;
    return { ts: signal.ts, kind: "signal", text: `${signal.side} ${signal.symbol} at ${format.price(signal.price)}, ${verdict}${saidOutside(signal)}` };
  }
  if (type === "order_submitted") {
    const { order } = fact;
    const limit = order.limit !== null ? ` limit ${format.price(Number(order.limit))}` : order.stop !== null ? ` stop ${format.price(Number(order.stop))}` : " at market";
    const why = order.reason ? ` (${format.exitReason(order.reason)})` : "";
    return { ts: fact.ts, kind: `${order.leg} order`, text: `${order.side} ${format.quantity(Number(order.quantity))}${limit}${why}`, id: order.id };
  }
  if (type === "order_changed") {
    return { ts: fact.ts, kind: "order", text: `${fact.previous} to ${fact.status}${fact.reason ? `: ${fact.reason}` : ""}`, id: fact.order };
  }
  if (type === "order_rejected") return { ts: fact.ts, kind: "rejected", text: fact.reason, id: fact.order };
  if (type === "order_filled") {
    const { execution: done } = fact;
    const fees = Object.values(fact.fees ?? {}).reduce((sum, amount) => sum + Number(amount), 0);
    const kind = done.undone ? `undone (${done.undone})` : "fill";
    return { ts: done.ts, kind, text: `${done.side} ${format.quantity(Math.abs(Number(done.quantity)))} at ${format.price(Number(done.price))}${fees ? `, fees ${format.money(fees)}` : ""}`, id: done.order };
  }
  if (type === "position_reduced") {
    return { ts: fact.ts, kind: "reduced", text: `${format.quantity(Number(fact.quantity))} at ${format.price(Number(fact.price))} (${format.exitReason(fact.reason)}), P/L ${format.signedMoney(Number(fact.pnl))}, ${format.quantity(Number(fact.held))} held on` };
  }
  if (type === "position_closed") {
    const held = ((fact.exit_ts - fact.entry_ts) / 1e9).toFixed(1);
    return { ts: fact.exit_ts, kind: "closed", text: `${format.exitReason(fact.exit_reason)}, after ${held} s: P/L ${format.signedMoney(Number(fact.pnl))}` };
  }
  if (type === "position_split") return { ts: fact.ts, kind: "split", text: `${format.quantity(Number(fact.before))} shares are ${format.quantity(Number(fact.quantity))} now` };
  if (type === "profit_corrected") return { ts: fact.ts, kind: "corrected", text: `P/L by ${format.signedMoney(Number(fact.pnl))} (${fact.reason})` };
  return null;
}

/** The way from the triggers' prices to what was left: name, money, what it means. */
export function path(story) {
  const found = story.cost_path;
  if (!found) return [];
  const cost = (text) => -Number(text);
  return [
    ["At the triggers' prices", Number(found.at_triggers), "What the trade would have brought had each share been had at the middle of the quote when the signal, or the exit, was decided."],
    ["Spread", found.spread === null ? null : cost(found.spread), "Half of it at each trigger: the price of trading at once."],
    ["Slippage", cost(found.slippage), "From the quote's side at the trigger to the price of the fill."],
    ["Fees", cost(found.fees), "Charged, or estimated."],
    ["Net", Number(found.net), "P/L of the trade: the sum of the lines above."],
  ];
}

/** Each execution beside its trigger. */
export function executions(story) {
  return (story.cost_path?.steps ?? []).map((step) => ({
    leg: step.leg,
    trigger: step.trigger,
    from: format.price(Number(step.trigger_price)),
    to: format.price(Number(step.price)),
    quantity: format.quantity(Number(step.quantity)),
    waited: step.trigger === "stop" ? "–" : `${step.waited_ms.toFixed(0)} ms`,
    spread: step.spread === null ? "not known" : format.money(Number(step.spread)),
    slippage: format.money(Number(step.slippage)),
  }));
}

/** Lines of the log as the terminal has them. */
export function logLines(story) {
  return (story.log ?? []).map((line) => ({ ts: line.venue_ts || line.ts, level: line.level, logger: String(line.logger).replace("microbot.", ""), message: line.message }));
}

/** The decision that the address names; empty where it names none. */
export function decisionIn(hash) {
  const named = /^#decision=(.+)$/.exec(hash);
  try {
    return named ? decodeURIComponent(named[1]) : "";
  } catch {
    return "";
  }
}
