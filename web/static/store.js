// The page's copy of what the bot shows, folded from the event stream. Everything in it is bounded.

import { SLIM } from "./ranking.js";

const TICKS = 50;
export const BARS = 600; // of a second: a page that misses some asks for the chart again
const LISTED = 100;
const MARKS = 200;
const NOTICES = 50;
const GONE_BACK = 5e9; // ns: so much earlier than what was shown, it is no old news, but an earlier time

// Of gaps between ticks, as in service/live/heard.py: the weight of a new one in what is usual, and what it counts as at
// most, in seconds, or so often what is usual.
const GAP_WEIGHT = 1 / 16;
const LONGEST_S = 1;
const MOST_USUAL = 8;

const lastOf = (list, most) => (list.length > most ? list.slice(list.length - most) : list);

/** The feed's state, with when it began, by this computer's clock. */
const feedOf = (told) => ({ ...told, changedAt: Date.now() - (told.age_s ?? 0) * 1000 });

/** Note that a tick came now, and what is usual between two such times. */
function heardOf(symbol) {
  const at = Date.now();
  if (symbol.tickAt !== null) {
    const gapS = (at - symbol.tickAt) / 1000;
    const usual = symbol.gapS ?? gapS;
    symbol.gapS = usual + (Math.min(gapS, Math.max(LONGEST_S, MOST_USUAL * usual)) - usual) * GAP_WEIGHT;
  }
  symbol.tickAt = at;
}

/** Merge into `target`, an object or a list, what `web/deltas.py` found to have changed. */
export function merge(target, patch) {
  Object.assign(target, patch["="]);
  for (const [name, inner] of Object.entries(patch["+"] ?? {})) merge(target[name], inner);
  for (const name of patch["-"] ?? []) delete target[name];
}

/** What is told only of symbols that are looked at, as it is before. */
const unseen = () => ({
  whole: false, ticks: [], bars: [], marks: [], gauges: null, window_s: null, blocked: null, operators: [], measured: {}, why: null, seen: 0, skipped: 0,
});

/** Rows [second, ...] with newer ones, of which the first may be that of the last second again. */
function extended(rows, newer) {
  if (!newer.length) return rows;
  let end = rows.length;
  while (end > 0 && rows[end - 1][0] >= newer[0][0]) end -= 1;
  return [...rows.slice(Math.max(0, end + newer.length - BARS), end), ...newer];
}

/** What is held, in a line: it changes with a fill, and with no price. */
const heldIn = (positions) => positions.map(({ symbol, side, quantity, entry_ts: ts }) => [symbol, side, quantity, ts].join()).join(";");

export class Store {
  constructor() {
    this.link = { state: "lost", since: 0 }; // how the page hears of the bot: "stream", "polling" or "lost", and since when
    this.clear();
  }

  clear() {
    this.loaded = false;
    this.told = {}; // the parts of which only changes are told
    this.now = 0;
    this.session = null;
    this.bot = { running: true };
    this.feed = { state: "CONNECTING", reason: "", changedAt: Date.now() };
    this.state = { state: "", reason: "" };
    this.metrics = null;
    this.refusals = {};
    this.locks = {}; // by symbol: until when a person locked it, and why
    this.symbolsHalted = {}; // by symbol: what it lost
    this.queues = {};
    this.bounded = [];
    this.execution = {}; // how orders fare, beside what the simulator assumes
    this.symbols = new Map();
    this.positions = new Map();
    this.held = "";
    this.ledger = { version: 0 }; // of the trades that the server lists: another one when some have come
    this.worth = []; // of the account: [second, worth, low, drawdown]
    this.trades = [];
    this.signals = [];
    this.bursts = [];
    this.notices = [];
  }

  /** Fold one event in. Returns the names of the parts of the page that it changes. */
  apply(event, data) {
    if (!EVENTS.includes(event)) return []; // of a server that is newer than this page
    if (!CHANGES.includes(event)) return this[`on_${event}`](data);
    merge(this.told, data);
    return this[`on_${event}`](this.told);
  }

  symbol(name) {
    let symbol = this.symbols.get(name);
    if (!symbol) {
      symbol = { name, price: null, previous: null, first: null, ts: null, chain: "RUNNING", tickAt: null, gapS: null, ...unseen() };
      this.symbols.set(name, symbol);
    }
    return symbol;
  }

  /** The tabs, where they are a row of few symbols: a list of many is drawn when all prices are told, a few times a second. */
  get row() {
    return this.symbols.size > SLIM ? [] : ["tabs"];
  }

  on_snapshot(data) {
    const { symbols, trades, signals, bursts, notices, session, bot, feed, state, ledger = { version: 0 }, ...told } = data;
    this.clear();
    Object.assign(this, { loaded: true, told, now: data.now, session, bot, feed: feedOf(feed), state, ledger, trades, signals, bursts, notices });
    for (const [name, view] of Object.entries(symbols)) this.see(name, view);
    this.on_metrics(told);
    this.on_position(told);
    return ["everything"];
  }

  /** Take in what is told of a symbol: all, or what a list shows of it. */
  see(name, view) {
    const symbol = this.symbol(name);
    symbol.price = symbol.previous = view.price;
    symbol.first = view.first_price;
    symbol.ts = view.ts;
    symbol.chain = view.chain;
    symbol.tickAt = view.age_s == null ? null : Date.now() - view.age_s * 1000;
    symbol.gapS = view.gap_s || null;
    if (!view.ticks) return;
    const { ticks, seen, skipped, marks, gauges, window_s, blocked, operators, measured, why = null } = view;
    Object.assign(symbol, { whole: true, seen, skipped, marks, gauges, window_s, blocked, operators, measured, why });
    symbol.ticks = ticks.map((tick, i) => ({ key: seen - ticks.length + i, tick }));
    if (ticks.length > 1) symbol.previous = ticks.at(-2)[1];
  }

  /** Other symbols are looked at: nothing is told of those that were, so that what is known of them grows old. */
  on_look(data) {
    for (const symbol of this.symbols.values()) {
      if (symbol.whole && !data.looked.includes(symbol.name)) Object.assign(symbol, unseen(), { previous: symbol.price });
    }
    for (const [name, view] of Object.entries(data.symbols)) this.see(name, view);
    return ["everything"];
  }

  /** The prices of all symbols that moved; of those that are looked at the ticks have told already. */
  on_prices(data) {
    this.now = Math.max(this.now, data.now);
    for (const [name, [price, first, ts]] of Object.entries(data.symbols)) {
      const symbol = this.symbol(name);
      symbol.first = first;
      symbol.ts = ts;
      if (symbol.whole) continue;
      symbol.price = symbol.previous = price;
      heardOf(symbol);
    }
    return ["position", "tabs"];
  }

  on_ticks(data) {
    this.now = Math.max(this.now, data.now);
    for (const [name, told] of Object.entries(data.symbols)) {
      const symbol = this.symbol(name);
      const { ticks } = told;
      symbol.seen = told.seen;
      symbol.skipped = told.skipped;
      heardOf(symbol);
      symbol.ticks = lastOf(symbol.ticks.concat(ticks.map((tick, i) => ({ key: told.seen - ticks.length + i, tick }))), TICKS);
      for (const tick of ticks) {
        symbol.first ??= tick[1];
        symbol.previous = symbol.price ?? tick[1];
        symbol.price = tick[1];
        symbol.ts = tick[0];
      }
      symbol.bars = extended(symbol.bars, told.bars);
    }
    return ["ticks", "price", "position", ...this.row];
  }

  on_worth(data) {
    this.worth = extended(this.worth, data);
    return ["worth"];
  }

  on_gauges(data) {
    for (const [name, gauges] of Object.entries(data)) this.symbol(name).gauges = gauges;
    return ["gauges"];
  }

  on_operators(data) {
    for (const [name, operators] of Object.entries(data)) this.symbol(name).operators = operators;
    return ["operators"];
  }

  on_measured(data) {
    for (const [name, measured] of Object.entries(data)) this.symbol(name).measured = measured;
    return ["metrics"];
  }

  on_marks(data) {
    for (const [name, marks] of Object.entries(data)) {
      const symbol = this.symbol(name);
      symbol.marks = lastOf(symbol.marks.concat(marks), MARKS);
    }
    return ["marks"];
  }

  on_position(data) {
    this.positions = new Map(data.positions.map((position) => [position.symbol, position]));
    const before = this.held;
    this.held = heldIn(data.positions);
    return this.held === before ? ["position", ...this.row] : ["fills", "position", "tabs"];
  }

  on_ledger(data) {
    this.ledger = data;
    return ["trades"];
  }

  on_trade(data) {
    this.trades = lastOf(this.trades.concat(data), LISTED);
    return ["trades"];
  }

  on_signal(data) {
    this.signals = lastOf(this.signals.concat(data), LISTED);
    return ["looks"];
  }

  on_outcomes(data) {
    // An id may come again in a later session: the newest is meant.
    for (const [decision, outcome] of Object.entries(data)) {
      const i = this.signals.findLastIndex((signal) => signal.decision_id === decision);
      if (i >= 0) this.signals = this.signals.with(i, { ...this.signals[i], outcome });
    }
    return ["looks"];
  }

  on_why(data) {
    for (const [name, why] of Object.entries(data)) this.symbol(name).why = why;
    return ["why", "tabs"];
  }

  on_burst(data) {
    this.bursts = lastOf(this.bursts.concat(data), LISTED);
    const symbol = this.symbol(data.symbol);
    if (symbol.whole) symbol.blocked = data;
    return ["looks", "gauges"];
  }

  on_metrics(data) {
    this.now = data.now < this.now - GONE_BACK ? data.now : Math.max(this.now, data.now);
    this.metrics = data.metrics;
    this.refusals = data.refusals;
    this.locks = data.locks;
    this.symbolsHalted = data.symbols_halted;
    this.queues = data.queues;
    this.bounded = data.bounded;
    this.execution = data.execution ?? {};
    for (const [name, seconds] of Object.entries(data.windows)) this.symbol(name).window_s = seconds;
    let turned = false; // whether a symbol is heard of again, or no longer
    for (const [name, chain] of Object.entries(data.chains)) {
      const symbol = this.symbol(name);
      turned ||= symbol.chain.startsWith("UNUSED") !== chain.startsWith("UNUSED");
      symbol.chain = chain;
    }
    return turned ? ["metrics", "position", "tabs", "status"] : ["metrics", "position", "tabs"];
  }

  on_feed(data) {
    this.feed = feedOf(data);
    return ["status", "tabs"];
  }

  /** How old the news is, behind what a page that was cut off had missed: that was told as if it came now. */
  on_heard({ feed_s, ticks }) {
    this.feed = feedOf({ ...this.feed, age_s: feed_s });
    for (const [name, [ageS, gapS]] of Object.entries(ticks)) {
      const symbol = this.symbols.get(name);
      if (symbol) Object.assign(symbol, { tickAt: Date.now() - ageS * 1000, gapS: gapS || null });
    }
    return ["status", "price", "position", "tabs"];
  }

  on_state(data) {
    this.state = data;
    return ["status"];
  }

  on_bot(data) {
    this.bot = data;
    return ["status"];
  }

  on_notice(data) {
    this.notices = lastOf(this.notices.concat(data), NOTICES);
    return ["notices"];
  }
}

/** Events that tell what changed of a part of the snapshot. */
const CHANGES = ["metrics", "position"];

/** The events of the stream, each folded by the `on_` method of its name. */
export const EVENTS = [
  "snapshot", "look", "prices", "ticks", "gauges", "operators", "measured", "marks", "position", "ledger", "trade", "signal", "outcomes", "why", "burst",
  "metrics", "worth", "feed", "heard", "state", "bot", "notice",
];
