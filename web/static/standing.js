// How things stand, in figures and sentences: how old the feed is, what refuses entries, how far the day's limit is.
// Pure: what it says follows from the store and the time that it is given (ms of this computer's clock).

import * as format from "./format.js";

const NOT_LEARNT_S = 5; // from which a symbol counts as silent whose usual gap is not known yet
const LEAST_S = 3; // no silence is shorter: ticks are told ten times a second, in bunches
const GAPS = 5; // so many times the usual gap

/** How old a symbol's newest tick is in real seconds, with what the feed itself is behind; null before the first. */
export function tickAge(symbol, feed, at) {
  return symbol?.tickAt == null ? null : Math.max(0, (at - symbol.tickAt) / 1000) + (feed.delay_s || 0);
}

/** How old the newest tick of all symbols is; null before the first. */
export function feedAge(store, at) {
  const ages = [...store.symbols.values()].map((symbol) => tickAge(symbol, store.feed, at)).filter((age) => age !== null);
  return ages.length ? Math.min(...ages) : null;
}

const silentFromS = (gapS) => (gapS === null ? NOT_LEARNT_S : Math.max(LEAST_S, GAPS * gapS));

/** Whether a symbol's figures are older than is usual for it; the delay of a feed is no silence. */
export const isSilent = (symbol, at) => symbol?.tickAt != null && (at - symbol.tickAt) / 1000 > silentFromS(symbol.gapS);

/** Whether all symbols are silent at once: then it is the feed. */
export function isFeedSilent(store, at) {
  const heard = [...store.symbols.values()].filter((symbol) => symbol.tickAt !== null);
  return heard.length > 0 && heard.every((symbol) => isSilent(symbol, at));
}

/** Whether profit with that of open positions is of old prices: of one of them, or because the page is not current. */
export const isProfitOld = (store, link, at) =>
  !isCurrent(link, at) || [...store.positions.keys()].some((name) => isSilent(store.symbols.get(name), at));

/** What is said of a feed that counts as live, and of which no tick comes; null while some do, or it is not live. */
export function silenceBanner(store, at) {
  const age = feedAge(store, at);
  if (store.feed.state !== "LIVE" || !isFeedSilent(store, at) || age < NOT_LEARNT_S) return null;
  const text = "No tick of any symbol comes: prices are old. The feed still counts as live.";
  return { key: "silent", tone: "warn", text, clock: `Last tick ${format.age(age)} ago` };
}

/** Why entries are refused although trading is on: the feed; else nothing. */
export function refusedBy({ feed, state, bot }) {
  if (!bot.running || state.state !== "ACTIVE") return "";
  if (feed.state !== "LIVE") return "feed";
  return feed.delay_s ? "delayed feed" : "";
}

/** What guards the open positions, in one sentence; nothing without one. */
export function guardSentence(positions) {
  const byGuard = new Map();
  for (const { symbol, side, guard } of positions) {
    const words = guard || "its exits";
    byGuard.set(words, [...(byGuard.get(words) ?? []), `${symbol} ${side}`]);
  }
  const said = [...byGuard].map(([guard, held]) => `${held.join(", ")} by ${guard}`);
  if (!said.length) return "";
  return ` Open positions stay guarded, as far as orders get through: ${said.join("; ")}.`;
}

const FEED_SAID = {
  CONNECTING: ["warn", "The feed is not connected: connecting"],
  STALE: ["warn", "The feed is stale"],
  DOWN: ["bad", "The feed is down"],
};

/** What is said of a feed that is not LIVE: `text` stays as it is, `since` and what ticks on comes from `at`. */
export function feedBanner(store, at) {
  const { feed } = store;
  const said = FEED_SAID[feed.state];
  if (!said || !store.bot.running) return null;
  const [tone, what] = said;
  const age = feedAge(store, at);
  const reason = feed.reason && !feed.reason.startsWith("no message") ? ` (${feed.reason})` : ""; // the clock says for how long
  const text = `${what}${reason}. Entries are refused until ticks come again.${guardSentence([...store.positions.values()])}`;
  const last = age === null ? "No tick has come yet" : `Last tick ${format.age(age)} ago`;
  return { key: `feed ${feed.state}`, tone, text, clock: `${last}${feed.ts ? `; in this state since ${format.time(feed.ts)}` : ""}` };
}

const MUTE_S = 60; // from which a bot that says nothing at all is no longer taken to be as it was; a banner says it before

/** Whether what the page shows is how things are now: it hears of the bot, at `at` (ms). `link` is as in `drawStatus`. */
export const isCurrent = (link, at) => link.how !== "lost" && at - link.heardAt < MUTE_S * 1000;

/** What a page waits for that has no sentence of the symbol yet; the symbol may be unknown. */
export function waitingFor(symbol, store) {
  if (!store.loaded) return "waiting for the bot…";
  if (!store.bot.running) return "No entry: the bot has stopped";
  if (store.feed.state !== "LIVE") return `waiting for the feed (${store.feed.state.toLowerCase()})…`;
  return symbol && !symbol.whole ? "asking the bot…" : "waiting for the first tick…";
}

/**
 * A symbol's sentence with what runs on by the second put in. Where the page is not current, it counts nothing down: it
 * names the time that is waited for; `at` is then when the bot was heard of last.
 */
export function whySentence(symbol, store, at, current = true) {
  const why = symbol?.why;
  if (!why) return "";
  const old = (why.code === "CONDITIONS" || why.code === "READY") && isSilent(symbol, at);
  const asOf = old ? `, as of the last tick ${format.age((at - symbol.tickAt) / 1000)} ago` : "";
  const left = () => (current ? `in ${format.countdown(format.secondsLeft(why.until, store.now))}` : `at ${format.timeBeside(why.until, store.now)}`);
  return why.text.replace("in {left}", left) + asOf;
}

/** Today's profit with that of open positions, beside the limit at which the day ends. Money; `used` is a fraction. */
export function dayProfit(store) {
  const { metrics, session } = store;
  if (!metrics) return null;
  const realised = metrics.daily_pnl;
  const unrealised = [...store.positions.values()].reduce((sum, { open_profit: profit }) => sum + profit, 0);
  const profit = realised + unrealised;
  const start = metrics.equity - realised;
  const fraction = session?.settings?.risk?.daily_loss_limit ?? -0.05;
  const limit = start * fraction;
  const used = limit < 0 ? Math.min(1, Math.max(0, profit / limit)) : 0;
  return { profit, realised, unrealised, start, limit, fraction, left: Math.max(0, profit - limit), used };
}

/** What closes a position by time: its time stop, or else the fallback; null where nothing does. */
export function timeStop(position, now) {
  const due = position.time_stop_ts ?? position.fallback_ts;
  if (due == null) return null;
  const by = position.time_stop_ts == null ? "fallback" : "time stop";
  return { by, due, left: format.secondsLeft(due, now), whole: Math.max(0, (due - position.entry_ts) / 1e9) };
}

const STAGES = {
  approved: ["approved", ""],
  submitted: ["sent", ""],
  accepted: ["accepted, no fill yet", ""],
  partially_filled: ["filling", ""],
  filled: ["filled", "good"],
  cancel_pending: ["being canceled", "warn"],
  canceled: ["canceled", "warn"],
  rejected: ["rejected by the venue", "bad"],
  expired: ["expired", "warn"],
  unknown: ["state unknown, asking the venue", "warn"],
};

/** What became of a decision: [text, tone, more]. */
export function outcomeWords({ outcome, why }) {
  const { stage, filled = 0, quantity = 0, reason = "" } = outcome;
  if (stage === "refused") return [`refused: ${format.reason(reason)}`, "bad", why ?? ""];
  if (stage === "closed") {
    const { pnl } = outcome;
    return [`closed, ${reason} ${format.signedMoney(pnl)}`, format.tone(pnl), format.exitReason(reason)];
  }
  const [words, tone] = STAGES[stage] ?? [format.words(stage).toLowerCase(), ""];
  const of = quantity && (filled || stage === "filled") ? `${format.quantity(filled)} of ${format.quantity(quantity)}` : "";
  if (stage === "filled") return [of && filled < quantity ? `filled ${of}` : `filled ${format.quantity(filled)}`, tone, reason];
  if (filled) return [`filled ${of}${stage === "partially_filled" ? "" : `, the rest ${words}`}`, tone, reason];
  return [stage === "approved" || stage === "submitted" || stage === "accepted" || stage === "unknown" ? words : `${words}, never filled`, tone, reason];
}

/** The kinds that a list of decisions is filtered by. */
export const KINDS = ["all", "entered", "unfilled", "refused", "bursts"];

/** What kind a signal or burst is. */
export function kindOf(look) {
  if (look.burst) return "bursts";
  const { stage, filled = 0 } = look.outcome;
  if (stage === "refused") return "refused";
  return filled || stage === "closed" || stage === "filled" ? "entered" : "unfilled";
}

/** Signals and bursts by venue time, the newest first; of one time, the later told first. */
export function looksOf(store, kind = "all", most = 100) {
  const looks = [
    ...store.signals.map((signal) => ({ ...signal, key: `s ${signal.decision_id} ${signal.ts}` })),
    ...store.bursts.map((burst) => ({ ...burst, burst: true, key: `b ${burst.symbol} ${burst.ts} ${burst.side}` })),
  ];
  return looks.filter((look) => kind === "all" || kindOf(look) === kind).reverse().sort((a, b) => b.ts - a.ts).slice(0, most);
}
