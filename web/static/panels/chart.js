// The chart's panel: which stretch of time is shown, and what is asked of the server for it. `chart/` draws.

import * as format from "../format.js";
import { BARS } from "../store.js";
import { url } from "../urls.js";
import { rowsOf, PRICE_NAMES, WORTH_NAMES } from "../chart/bars.js";
import { PriceChart } from "../chart/price-chart.js";

/** What the buttons offer: seconds that are shown, seconds of a bar, for how long back it is loaded, and how often drawn. */
const RANGES = {
  "1m": { span: 60, width: 1, load: 600, everyMs: 300 },
  "5m": { span: 300, width: 1, load: 900, everyMs: 300 },
  "15m": { span: 900, width: 2, load: 1800, everyMs: 500 },
  "1h": { span: 3600, width: 5, load: 7200, everyMs: 1000 },
  day: { span: 86_400, width: 60, load: 86_400, everyMs: 1000 },
};
const REDRAWN_MS = 1000; // how often a chart is drawn all of which changes, as of a market at many times its speed
const USUAL = "5m";
const MOST_STEPS = 8; // back through times without a trade, at once
const SENTENCE_MS = 2000;

const LEVELS = {
  TP: ["target", "up"],
  SL: ["stop", "down"],
  TRAIL: ["trailing stop", "down"],
  VOL_STOP: ["volatility stop", "down"],
  BREAK_EVEN: ["break even", "down"],
  STOP: ["stop at venue", "down"],
};

/** The lines of an open position: its entry, and the prices at which its exits say that they leave. */
export function linesOf(position) {
  if (!position) return [];
  const lines = [{ key: "entry", price: position.entry_price, title: `${position.side.toLowerCase()} ${format.quantity(position.quantity)}` }];
  const counts = {};
  for (const { reason, price, part } of position.levels ?? []) {
    const [name, tone] = LEVELS[reason] ?? [format.exitReason(reason), ""];
    const title = part < 1 ? `${name}, ${format.percent(part, 0)}` : name;
    counts[title] = (counts[title] ?? 0) + 1; // two of a kind are two lines
    lines.push({ key: `${title} ${counts[title]}`, price, title, tone, dotted: reason === "STOP" });
  }
  return lines;
}

/** Rows of a second and of later ones. */
function since(rows, second) {
  let start = rows.length;
  while (start > 0 && rows[start - 1][0] >= second) start -= 1;
  return rows.slice(start);
}

const kept = {
  get(name) {
    try {
      return localStorage.getItem(`microbot.${name}`);
    } catch {
      return null; // a browser that keeps nothing
    }
  },
  set(name, value) {
    try {
      localStorage.setItem(`microbot.${name}`, value);
    } catch { /* likewise: it is the usual again next time */ }
  },
};

export class ChartPanel {
  constructor() {
    this.container = document.getElementById("chart");
    this.equity = document.getElementById("chart-equity");
    this.shown = kept.get("chart.equity") !== "off";
    this.chart = new PriceChart(this.container, {
      note: document.getElementById("chart-note"), worth: this.shown, onEdge: () => this.loadEarlier(),
    });
    this.name = "";
    this.session = null;
    this.asked = 0; // how often something was asked for: an answer to an earlier question is out of date
    this.busy = false;
    this.oldest = false; // whether there is nothing earlier of this width
    this.saidAt = -Infinity;
    this.drawnAt = -Infinity;
    this.later = 0; // the timer that draws what came since
    this.buttons = [...document.querySelectorAll("#chart-ranges button")];
    for (const button of this.buttons) button.addEventListener("click", () => this.choose(button.dataset.range));
    document.getElementById("go-live").addEventListener("click", () => this.goLive());
    this.equity.addEventListener("click", () => {
      this.shown = !this.shown;
      kept.set("chart.equity", this.shown ? "on" : "off");
      this.chart.showWorth(this.shown);
      this.press();
    });
    this.range = RANGES[kept.get("chart.range")] ? kept.get("chart.range") : USUAL;
    this.press();
  }

  press() {
    for (const button of this.buttons) button.setAttribute("aria-pressed", String(button.dataset.range === this.range));
    this.equity.setAttribute("aria-pressed", String(this.shown));
  }

  choose(range) {
    this.range = range;
    kept.set("chart.range", range);
    this.press();
    this.load();
  }

  goLive() {
    if (this.chart.cut) this.load();
    else this.chart.goLive();
  }

  /** Show a symbol of the store, or go on with it after a while in which nothing was heard. */
  async show(symbol, store) {
    this.symbol = symbol;
    this.store = store;
    const session = store.session?.started_ts ?? null;
    const same = symbol.name === this.name && session === this.session && this.chart.axis.length > 0 && !this.chart.cut;
    this.name = symbol.name;
    this.session = session;
    if (!same) {
      this.chart.show({ symbol: this.name, width: RANGES[this.range].width, bars: [] });
      this.container.setAttribute("aria-label", this.chart.sentence);
    }
    this.marks();
    this.position();
    await (same ? this.catchUp() : this.load());
  }

  /** Ask for a stretch of time; null where the answer is late, or there is none. */
  async ask(from, to, width) {
    this.asked += 1;
    const turn = this.asked;
    const query = new URLSearchParams({ from: String(from), points: String(Math.ceil((to - from) / width) + 2) });
    if (to !== this.nowS) query.set("to", String(to));
    const answer = await fetch(url(`api/chart/${encodeURIComponent(this.name)}?${query}`)).catch(() => null);
    if (!answer?.ok) return null;
    const told = await answer.json();
    if (turn !== this.asked) return null;
    return {
      symbol: this.name, width: told.width, first: told.first, now: this.nowS,
      bars: rowsOf(told.bars, PRICE_NAMES), tail: rowsOf(told.tail, PRICE_NAMES), worth: rowsOf(told.worth, WORTH_NAMES),
    };
  }

  get nowS() {
    return Math.floor(this.store.now / 1e9);
  }

  /** Load what the chosen range shows, and look at the newest of it. */
  async load() {
    if (!this.chart.chart || !this.symbol || !this.store.now) return;
    const { span, width, load } = RANGES[this.range];
    const told = await this.ask(this.nowS - load, this.nowS, width);
    if (!told) return;
    this.oldest = false;
    this.chart.show(told);
    this.chart.window(this.symbol.window_s);
    this.extendNow();
    this.chart.look(this.chart.axis.length && this.range === "day" ? Math.min(span, this.chart.axis.length * this.chart.width) : span);
    this.say(true);
  }

  /** Load what has happened since the last bar; where one looks stays. */
  async catchUp() {
    const { bars, width } = this.chart.live;
    const last = bars.at(-1)?.[0];
    if (last === undefined) return;
    const told = await this.ask(last, Math.max(this.nowS, last + 1), width);
    if (!told) return;
    if (told.width !== width) { // it was away for so long that those seconds are gone
      await this.load();
      return;
    }
    const earlier = this.chart.live.bars.filter(([time]) => time < last);
    const worth = this.chart.worths.filter(([time]) => time < (told.worth[0]?.[0] ?? Infinity));
    this.chart.show({ ...told, bars: [...earlier, ...told.bars], worth: [...worth, ...told.worth] });
    this.extendNow();
  }

  async loadEarlier() {
    if (this.busy || this.oldest || !this.symbol) return;
    this.busy = true;
    try {
      const { width } = this.chart;
      const { span } = RANGES[this.range];
      const step = Math.max(span, 600 * width);
      let to = this.chart.axis[0];
      for (let n = 0; n < MOST_STEPS; n += 1) {
        const told = await this.ask(to - step, to, width);
        if (!told) return;
        this.oldest = told.width !== width || told.first === null || told.first >= to - step;
        if (this.chart.prepend(told) || this.oldest) return;
        to -= step;
      }
    } finally {
      this.busy = false;
    }
  }

  /** Go on with what the stream has said: a canvas is costly, so not as often as it says something. */
  extend() {
    if (this.later || !this.symbol || !this.chart.chart) return;
    const everyMs = this.chart.redrew ? REDRAWN_MS : RANGES[this.range].everyMs;
    const wait = this.chart.axis.length ? everyMs - (performance.now() - this.drawnAt) : 0;
    if (wait <= 0) {
      this.extendNow();
      return;
    }
    this.later = window.setTimeout(() => {
      this.later = 0;
      this.extendNow();
    }, wait);
  }

  extendNow() {
    this.drawnAt = performance.now();
    const { bars } = this.symbol;
    const newest = this.chart.live.newest;
    if (!this.chart.axis.length) {
      if (bars.length && !this.waiting) { // the first tick
        this.waiting = this.load().finally(() => {
          this.waiting = null;
        });
      }
      return;
    }
    if (bars.length && bars[0][0] > newest && bars.length >= BARS) {
      this.catchUp();
      return;
    }
    this.chart.extend(since(bars, newest), since(this.store.worth, this.chart.worthDrawn), this.nowS);
    this.say();
  }

  marks() {
    if (this.symbol) this.chart.marks(this.symbol.marks);
  }

  position() {
    if (!this.symbol) return;
    this.held = this.store.positions.get(this.name);
    this.chart.lines(linesOf(this.held));
    this.chart.window(this.symbol.window_s);
  }

  /** Say what is shown for those who do not see it, now and then. */
  say(now = false) {
    if (!now && performance.now() - this.saidAt < SENTENCE_MS) return;
    this.saidAt = performance.now();
    const held = this.held ? `; ${this.held.side.toLowerCase()} ${format.quantity(this.held.quantity)} open at ${format.price(this.held.entry_price)}` : "; no open position";
    this.container.setAttribute("aria-label", `${this.chart.sentence}${held}`);
  }
}
