// The page's copy of what the bot shows, folded from the event stream. Everything in it is bounded.

const TICKS = 50;
export const BARS = 600; // of a second: a page that misses some asks for the chart again
const LISTED = 100;
const MARKS = 200;
const NOTICES = 50;
const GONE_BACK = 5e9; // ns: so much earlier than what was shown, it is no old news, but an earlier time

const lastOf = (list, most) => (list.length > most ? list.slice(list.length - most) : list);

/** Rows [second, ...] with newer ones, of which the first may be that of the last second again. */
function extended(rows, newer) {
  if (!newer.length) return rows;
  let end = rows.length;
  while (end > 0 && rows[end - 1][0] >= newer[0][0]) end -= 1;
  return [...rows.slice(Math.max(0, end + newer.length - BARS), end), ...newer];
}

export class Store {
  constructor() {
    this.loaded = false;
    this.now = 0;
    this.session = null;
    this.bot = { running: true };
    this.feed = { state: "CONNECTING", reason: "" };
    this.state = { state: "", reason: "" };
    this.metrics = null;
    this.refusals = {};
    this.locks = {}; // by symbol: until when a person locked it, and why
    this.symbolsHalted = {}; // by symbol: what it lost
    this.queues = {};
    this.bounded = [];
    this.symbols = new Map();
    this.positions = new Map();
    this.worth = []; // of the account: [second, worth, low, drawdown]
    this.trades = [];
    this.signals = [];
    this.bursts = [];
    this.notices = [];
  }

  /** Fold one event in. Returns the names of the parts of the page that it changes. */
  apply(event, data) {
    return this[`on_${event}`](data);
  }

  symbol(name) {
    let symbol = this.symbols.get(name);
    if (!symbol) {
      symbol = { name, price: null, previous: null, first: null, ticks: [], bars: [], marks: [], gauges: null, window_s: null, blocked: null, operators: [], seen: 0, skipped: 0, chain: "RUNNING" };
      this.symbols.set(name, symbol);
    }
    return symbol;
  }

  on_snapshot(data) {
    Object.assign(this, new Store(), {
      loaded: true,
      now: data.now,
      session: data.session,
      bot: data.bot,
      feed: data.feed,
      state: data.state,
      metrics: data.metrics,
      refusals: data.refusals,
      locks: data.locks,
      symbolsHalted: data.symbols_halted,
      queues: data.queues,
      bounded: data.bounded,
      trades: data.trades,
      signals: data.signals,
      bursts: data.bursts,
      notices: data.notices,
    });
    for (const [name, told] of Object.entries(data.symbols)) {
      const symbol = this.symbol(name);
      const { ticks } = told;
      symbol.seen = told.seen;
      symbol.skipped = told.skipped;
      symbol.ticks = ticks.map((tick, i) => ({ key: told.seen - ticks.length + i, tick }));
      symbol.price = told.price;
      symbol.previous = ticks.length > 1 ? ticks[ticks.length - 2][1] : told.price;
      symbol.first = told.first_price;
      symbol.window_s = told.window_s;
      symbol.marks = told.marks;
      symbol.gauges = told.gauges;
      symbol.blocked = told.blocked;
      symbol.operators = told.operators;
      symbol.chain = told.chain;
    }
    this.on_position(data);
    return ["everything"];
  }

  on_ticks(data) {
    this.now = Math.max(this.now, data.now);
    for (const [name, told] of Object.entries(data.symbols)) {
      const symbol = this.symbol(name);
      const { ticks } = told;
      symbol.seen = told.seen;
      symbol.skipped = told.skipped;
      symbol.ticks = lastOf(symbol.ticks.concat(ticks.map((tick, i) => ({ key: told.seen - ticks.length + i, tick }))), TICKS);
      for (const tick of ticks) {
        symbol.first ??= tick[1];
        symbol.previous = symbol.price ?? tick[1];
        symbol.price = tick[1];
      }
      symbol.bars = extended(symbol.bars, told.bars);
    }
    return ["ticks", "price", "position", "tabs"];
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

  on_marks(data) {
    for (const [name, marks] of Object.entries(data)) {
      const symbol = this.symbol(name);
      symbol.marks = lastOf(symbol.marks.concat(marks), MARKS);
    }
    return ["marks"];
  }

  on_position(data) {
    this.positions = new Map(data.positions.map((position) => [position.symbol, position]));
    return ["position", "tabs"];
  }

  on_trade(data) {
    this.trades = lastOf(this.trades.concat(data), LISTED);
    return ["trades"];
  }

  on_signal(data) {
    this.signals = lastOf(this.signals.concat(data), LISTED);
    return ["looks"];
  }

  on_burst(data) {
    this.bursts = lastOf(this.bursts.concat(data), LISTED);
    this.symbol(data.symbol).blocked = data;
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
    this.feed = data;
    return ["status"];
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

/** The events of the stream, each folded by the `on_` method of its name. */
export const EVENTS = [
  "snapshot", "ticks", "gauges", "operators", "marks", "position", "trade", "signal", "burst", "metrics", "worth", "feed", "state", "bot", "notice",
];
