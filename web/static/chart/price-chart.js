// Draws prices over time: the last price with what was highest and lowest, volume, marks of fills, lines at prices, and
// what the account is worth. It draws what it is given and asks for nothing; `panels/chart.js` has the page's own.

import * as format from "../format.js";
import {
  axisOf, foldWorth, indexAt, labelled, LiveBars, LONGEST_PAUSE_S, slotOf, slotsBetween, spanWords,
} from "./bars.js";
import { Shade } from "./shade.js";

const MOST_SLOTS = 4000; // of the time axis; beyond it the oldest go, and a quarter more are let come first
const MOST_UPDATES = 12; // bars that are added one by one: more are drawn at once
const REACH = 2.5; // lines within so many heights of the prices are kept in sight,
const NEAR = 0.004; // and within this part of the price
const EDGE = 12; // slots before the first one: from here on more is asked for

const COLOURS = [
  "--card", "--text", "--muted", "--grid", "--line", "--line-strong", "--accent", "--up", "--down", "--down-soft", "--shade", "--spread",
];

/** @type {import("lightweight-charts").LineWidth} */
const THIN = 1;

/** How a scale writes its numbers; `minMove` is the least that it tells apart. */
function asPrices(formatter, minMove) {
  /** @type {import("lightweight-charts").PriceFormatCustom} */
  const written = { type: "custom", formatter, minMove };
  return written;
}

/** How a mark is drawn: which way it was traded by its shape, what the trade came to by its colour, a loss by a minus too. */
export function markOf(mark, time, colours) {
  const buy = mark.side === "BUY";
  const tone = mark.leg === "exit" ? format.tone(mark.pnl) : "";
  return {
    time,
    price: mark.price,
    position: buy ? "atPriceBottom" : "atPriceTop",
    shape: buy ? "arrowUp" : "arrowDown",
    color: colours[tone ? `--${tone}` : "--text"],
    size: 1,
    text: tone === "down" ? "\u2212" : "", // where there is room, the whole sum
  };
}

export class PriceChart {
  /**
   * Draw into `container`. `options`: `note`, a node that takes the place of the chart while there is nothing to draw
   * with; `worth`, whether there is a pane for the account; `onEdge()`, called when more of the past is looked for.
   */
  constructor(container, { note = null, worth = false, onEdge = null } = {}) {
    this.container = container;
    this.note = note;
    this.onEdge = onEdge;
    this.axis = [];
    this.live = new LiveBars([], 1);
    this.worths = [];
    this.worthDrawn = -Infinity; // the last second of them that is drawn
    this.marked = [];
    this.lined = new Map(); // by key: what is drawn, and the library's line
    this.prices = []; // of those lines
    this.windowS = 0;
    this.symbol = "";
    this.cut = false; // whether the newest bars were let go, for older ones
    this.redrew = false; // whether so much came at once that all was drawn
    this.library = window.LightweightCharts;
    if (!this.library) {
      container.hidden = true;
      if (note) {
        note.textContent = "The chart is not available: its library was not put into this installation. " +
          "Everything else works. Installing the package with npm at hand brings it.";
      }
      return;
    }
    this.build(worth);
    this.follow();
  }

  build(worth) {
    const { createChart, createSeriesMarkers, LineSeries, CandlestickSeries, HistogramSeries, CrosshairMode } = this.library;
    const chart = this.chart = createChart(this.container, {
      autoSize: true,
      crosshair: { mode: CrosshairMode.Magnet },
      rightPriceScale: { borderVisible: false, scaleMargins: { top: 0.16, bottom: 0.06 } },
      timeScale: {
        borderVisible: false, timeVisible: true, secondsVisible: true, minBarSpacing: 0.1,
        allowShiftVisibleRangeOnWhitespaceReplacement: true,
        tickMarkFormatter: (seconds, kind) => (kind <= 2 ? format.dateOf(seconds * 1e9) : format.time(seconds * 1e9)),
      },
      localization: { timeFormatter: (seconds) => `${format.dateOf(seconds * 1e9)} ${format.time(seconds * 1e9)}` },
      handleScale: { axisPressedMouseMove: { time: true, price: false } },
      kineticScroll: { touch: !this.still, mouse: false },
    });
    const quiet = { priceLineVisible: false, lastValueVisible: false, crosshairMarkerVisible: false };
    // Only the shadow of each bar, behind the line: from the highest to the lowest price.
    this.reach = chart.addSeries(CandlestickSeries, { ...quiet, borderVisible: false, wickVisible: true });
    this.line = chart.addSeries(LineSeries, { lineWidth: 2, autoscaleInfoProvider: (original) => this.inSight(original()) });
    this.volume = chart.addSeries(HistogramSeries, { ...quiet, priceFormat: { type: "volume" } }, 1);
    this.volume.priceScale().applyOptions({ scaleMargins: { top: 0.15, bottom: 0 } });
    this.markers = createSeriesMarkers(this.line, [], { zOrder: "top", autoScale: true });
    this.shade = new Shade();
    this.line.attachPrimitive(this.shade);
    chart.panes()[0].setStretchFactor(6);
    chart.panes()[1].setStretchFactor(1.2);
    this.legend = document.createElement("p");
    this.legend.className = "chart-legend";
    this.container.append(this.legend);
    if (worth) this.showWorth(true);
    this.paint();
  }

  get still() {
    return matchMedia("(prefers-reduced-motion: reduce)").matches;
  }

  /** Follow the page's theme, and where one looks. */
  follow() {
    const paint = () => this.paint();
    this.themes = new MutationObserver(paint);
    this.themes.observe(document.documentElement, { attributes: true, attributeFilter: ["data-theme"] });
    this.scheme = matchMedia("(prefers-color-scheme: dark)");
    this.scheme.addEventListener("change", paint);
    this.repaint = paint;
    this.chart.subscribeCrosshairMove(({ time }) => this.tell(time ?? null));
    this.chart.timeScale().subscribeVisibleLogicalRangeChange((range) => {
      if (!range) return;
      if (range.from < -EDGE && this.axis.length) this.onEdge?.();
      const spacing = this.chart.timeScale().options().barSpacing;
      if (spacing !== this.spacing) {
        this.spacing = spacing;
        this.drawMarks();
      }
    });
  }

  /** Let go of everything; nothing is drawn any more. */
  close() {
    this.themes?.disconnect();
    this.scheme?.removeEventListener("change", this.repaint);
    this.chart?.remove();
    this.chart = null;
  }

  /** Take the colours from the style sheet: a canvas cannot read them by itself. */
  paint() {
    const style = getComputedStyle(document.documentElement);
    const colours = this.colours = Object.fromEntries(COLOURS.map((name) => [name, style.getPropertyValue(name).trim()]));
    this.chart.applyOptions({
      layout: {
        background: { color: colours["--card"] }, textColor: colours["--muted"], fontSize: 11,
        fontFamily: getComputedStyle(document.body).fontFamily,
        attributionLogo: false, // the page's last line names its maker
        panes: { separatorColor: colours["--line"], separatorHoverColor: colours["--grid"] },
      },
      grid: { vertLines: { color: colours["--grid"] }, horzLines: { color: colours["--grid"] } },
      crosshair: { vertLine: { color: colours["--muted"], labelBackgroundColor: colours["--muted"] }, horzLine: { color: colours["--muted"], labelBackgroundColor: colours["--muted"] } },
    });
    const spread = colours["--spread"];
    this.reach.applyOptions({ upColor: spread, downColor: spread, wickUpColor: spread, wickDownColor: spread });
    this.line.applyOptions({ color: colours["--accent"], priceLineColor: colours["--line-strong"] });
    this.volume.applyOptions({ color: colours["--line-strong"] });
    this.worth?.applyOptions({ color: colours["--text"] });
    this.drawdown?.applyOptions({ bottomLineColor: colours["--down"], bottomFillColor1: colours["--down-soft"], bottomFillColor2: colours["--down-soft"], topLineColor: colours["--down"] });
    this.shade.colour = colours["--shade"];
    for (const { line, tone } of this.lined.values()) line.applyOptions(this.toned(tone));
    this.nameWorth();
    this.drawMarks();
  }

  // ------------------------------------------------------------------------------------------ the account

  /** Have a pane for what the account is worth, or have it no longer. */
  showWorth(shown) {
    if (!this.chart || shown === Boolean(this.worth)) return;
    if (!shown) {
      this.chart.removeSeries(this.worth);
      this.chart.removeSeries(this.drawdown);
      this.worth = this.drawdown = this.title = null;
      return;
    }
    const { LineSeries, BaselineSeries } = this.library;
    const priceFormat = asPrices(format.money, 0.01);
    const options = { lineWidth: THIN, priceLineVisible: false, crosshairMarkerVisible: false, priceFormat };
    this.worth = this.chart.addSeries(LineSeries, options, 2);
    this.drawdown = this.chart.addSeries(BaselineSeries, {
      ...options, baseValue: { type: "price", price: 0 }, lastValueVisible: false, priceScaleId: "drawdown",
      autoscaleInfoProvider: (original) => {
        const found = original();
        if (found?.priceRange) found.priceRange.maxValue = 0;
        return found;
      },
    }, 2);
    this.worth.priceScale().applyOptions({ scaleMargins: { top: 0.24, bottom: 0.45 } });
    this.drawdown.priceScale().applyOptions({ scaleMargins: { top: 0.62, bottom: 0.04 } });
    this.chart.panes()[2].setStretchFactor(2);
    if (this.colours) {
      this.paint();
      this.drawWorth();
    }
  }

  /** Write what the account's pane shows. */
  nameWorth() {
    if (!this.worth) return;
    const lines = [{ text: "Equity with open profit, and its drawdown below", color: this.colours["--muted"], fontSize: 10.5 }];
    if (this.title) this.title.applyOptions({ lines });
    else this.title = this.library.createTextWatermark(this.chart.panes()[2], { horzAlign: "left", vertAlign: "top", lines });
  }

  drawWorth() {
    if (!this.worth) return;
    const shown = new Set(this.axis);
    const bars = this.worths.filter(([time]) => shown.has(time));
    this.worth.setData(bars.map(([time, value]) => ({ time, value })));
    this.drawdown.setData(bars.map(([time, , , drawdown]) => ({ time, value: -drawdown })));
    this.worthDrawn = bars.at(-1)?.[0] ?? -Infinity;
  }

  // ------------------------------------------------------------------------------------------ the prices

  /**
   * Start over: `symbol`, `width` of a bar in seconds, `bars` and the `tail` of seconds in the last one, `worth`, and
   * `now`, the second that it is. Marks and lines stay until others are given.
   */
  show({ symbol = "", width, bars, tail = [], worth = [], now = -Infinity }) {
    this.symbol = symbol;
    this.live = new LiveBars(bars, width, tail);
    this.worths = worth;
    this.cut = false;
    if (!this.chart) return;
    const [, decimals] = format.priceDecimals(bars.at(-1)?.[4] ?? 1);
    const priceFormat = asPrices(format.price, 10 ** -decimals);
    for (const series of [this.line, this.reach]) series.applyOptions({ priceFormat });
    this.chart.applyOptions({ timeScale: { secondsVisible: width < 60 } });
    this.draw(now);
  }

  get width() {
    return this.live.width;
  }

  /** Draw everything; where one looks stays. */
  draw(now = -Infinity) {
    this.axis = axisOf(this.live.bars, this.width, now);
    this.fit();
    const { bars } = this.live;
    const volumes = new Map(bars.map((bar) => [bar[0], bar[5]]));
    this.volume.setData(this.axis.map((time) => ({ time, value: volumes.get(time) ?? 0 })));
    this.reach.setData(bars.map(reachOf));
    this.line.setData(bars.map(([time, , , , value]) => ({ time, value })));
    this.drawWorth();
    this.afterwards(true);
  }

  /** Keep the number of slots within its bound. */
  fit() {
    const over = this.axis.length - MOST_SLOTS;
    if (over <= 0) return;
    const first = this.axis[over];
    this.live.bars = this.live.bars.filter(([time]) => time >= first);
    this.worths = this.worths.filter(([time]) => time >= first);
    this.axis = this.axis.slice(over);
  }

  /** Add what is older than all that is shown; returns whether there was anything. */
  prepend({ width, bars, worth = [] }) {
    const first = this.axis[0] ?? Infinity;
    const older = bars.filter(([time]) => time < first);
    if (!this.chart || width !== this.width || !older.length) return false;
    const end = this.axis.at(-1);
    this.live.bars = [...older, ...this.live.bars];
    this.worths = [...worth.filter(([time]) => time < first), ...this.worths];
    if (axisOf(this.live.bars, width).length > MOST_SLOTS) this.letGoOfNewest();
    this.draw(this.cut ? -Infinity : end);
    return true;
  }

  /** Make room for older bars: the newest go, and nothing is added until `show` brings them back. */
  letGoOfNewest() {
    const axis = axisOf(this.live.bars, this.width);
    const last = axis[MOST_SLOTS - 1];
    this.live.bars = this.live.bars.filter(([time]) => time <= last);
    this.worths = this.worths.filter(([time]) => time <= last);
    this.cut = true;
  }

  /** Go on with rows of whole seconds, of the account too, up to `now`; only what changes is drawn. */
  extend(rows, worths = [], now = -Infinity) {
    if (!this.chart || this.cut) return;
    const { live } = this;
    const from = Math.max(0, live.bars.length - 1);
    let changed = false;
    for (const row of rows) {
      // A second that is told as it was told before changes nothing.
      if (row[0] === live.newest && String(row) === String(live.seconds.at(-1))) continue;
      changed = live.put(row) || changed;
    }
    for (const row of worths) this.putWorth(row);
    this.redrew = false;
    const fresh = changed ? live.bars.slice(from) : [];
    if (fresh.length > MOST_UPDATES || this.axis.length + fresh.length > MOST_SLOTS * 1.25) {
      this.redrew = true;
      this.draw(now);
      return;
    }
    for (const bar of fresh) this.put(bar);
    const slots = this.advance(now);
    this.extendWorth();
    if (changed || slots) this.afterwards();
  }

  put(bar) {
    const [time, , , , value, volume] = bar;
    const last = this.axis.at(-1) ?? -Infinity;
    if (time > last) {
      if (this.axis.length) this.addSlots(slotsBetween(last, time, this.width));
      this.axis.push(time);
    }
    // The axis may have gone on since, through seconds in which nothing was traded so far.
    this.volume.update({ time, value: volume }, time < last);
    this.reach.update(reachOf(bar));
    this.line.update({ time, value });
  }

  addSlots(slots) {
    for (const time of slots) {
      this.axis.push(time);
      this.volume.update({ time, value: 0 }); // that nothing was traded is known, too
    }
  }

  /** Let the axis go on to a second although nothing is traded, but not through a night. */
  advance(now) {
    const last = this.live.bars.at(-1)?.[0];
    const end = slotOf(now, this.width);
    if (last === undefined || !(end > this.axis.at(-1)) || end - last > LONGEST_PAUSE_S) return false;
    this.addSlots(slotsBetween(this.axis.at(-1), end + this.width, this.width));
    return true;
  }

  putWorth(row) {
    const time = slotOf(row[0], this.width);
    const last = this.worths.at(-1);
    if (last && time < last[0]) return;
    if (last?.[0] === time) this.worths[this.worths.length - 1] = foldWorth(last, row, time);
    else this.worths.push([time, ...row.slice(1)]);
  }

  extendWorth() {
    if (!this.worth) return;
    const end = this.axis.at(-1) ?? -Infinity;
    let i = this.worths.length;
    while (i > 0 && this.worths[i - 1][0] >= this.worthDrawn) i -= 1;
    for (; i < this.worths.length && this.worths[i][0] <= end; i += 1) {
      const [time, value, , drawdown] = this.worths[i];
      if (this.axis[indexAt(this.axis, time)] !== time) continue; // in a night that is drawn shorter
      this.worth.update({ time, value });
      this.drawdown.update({ time, value: -drawdown });
      this.worthDrawn = time;
    }
  }

  /** What depends on where the bars end. */
  afterwards(all = false) {
    if (this.note) this.note.hidden = this.axis.length > 0;
    this.drawShade();
    if (all) this.drawMarks();
    if (!this.pointed) this.tell(null);
  }

  // --------------------------------------------------------------------------- marks, lines, the window

  /** Show fills: `ts` (ns), `price`, `side` BUY or SELL, `leg` entry or exit, and of an exit its `pnl`. */
  marks(marks) {
    this.marked = marks;
    if (this.chart) this.drawMarks();
  }

  drawMarks() {
    if (!this.axis.length) {
      this.markers.setMarkers([]);
      return;
    }
    const spacing = this.chart.timeScale().options().barSpacing;
    const end = this.axis.at(-1) + this.width;
    const shown = [];
    for (const mark of this.marked) {
      const second = mark.ts / 1e9;
      const index = indexAt(this.axis, second);
      if (index < 0 || second >= end) continue; // not where it was traded: then not at all
      shown.push({ index, mark, drawn: markOf(mark, this.axis[index], this.colours) });
    }
    shown.sort((a, b) => a.index - b.index);
    const texts = shown.map(({ mark }) => (mark.leg === "exit" && mark.pnl !== null && mark.pnl !== undefined ? format.signedMoney(mark.pnl) : ""));
    const labels = labelled(shown.map(({ index }, i) => ({ x: index * spacing, wide: texts[i].length * 7 })));
    this.markers.setMarkers(shown.map(({ drawn }, i) => (labels.has(i) ? { ...drawn, text: texts[i] } : drawn)));
  }

  /** Show lines at prices: `key`, `price`, `title`, `tone` up, down or none, and `dotted`. */
  lines(lines) {
    this.prices = lines.map(({ price }) => price);
    if (!this.chart) return;
    const keys = new Set(lines.map(({ key }) => key));
    const others = keys.size !== this.lined.size || lines.some(({ key }) => !this.lined.has(key));
    for (const [key, { line }] of this.lined) {
      if (keys.has(key)) continue;
      this.line.removePriceLine(line);
      this.lined.delete(key);
    }
    for (const { key, price, title, tone = "", dotted = false } of lines) {
      const drawn = this.lined.get(key);
      if (!drawn) {
        const options = { price, title, lineWidth: THIN, lineStyle: dotted ? 1 : 2, axisLabelVisible: true, ...this.toned(tone) };
        this.lined.set(key, { line: this.line.createPriceLine(options), price, title, tone });
      } else if (drawn.price !== price || drawn.title !== title) {
        drawn.line.applyOptions({ price, title });
        Object.assign(drawn, { price, title });
      }
    }
    if (others) this.line.applyOptions({}); // what is to be kept in sight has changed
  }

  toned(tone) {
    const color = this.colours[tone ? `--${tone}` : "--text"];
    return { color, axisLabelColor: color, axisLabelTextColor: this.colours["--card"] };
  }

  /** Keep lines in sight that are not far from the prices. */
  inSight(found) {
    if (!found?.priceRange || !this.prices.length) return found;
    const { minValue, maxValue } = found.priceRange;
    const reach = Math.max((maxValue - minValue) * REACH, Math.abs(maxValue) * NEAR);
    for (const price of this.prices) {
      if (price < minValue - reach || price > maxValue + reach) continue;
      found.priceRange.minValue = Math.min(found.priceRange.minValue, price);
      found.priceRange.maxValue = Math.max(found.priceRange.maxValue, price);
    }
    return found;
  }

  /** Shade so many of the newest seconds: what the strategy looks at. */
  window(seconds) {
    this.windowS = seconds ?? 0;
    if (this.chart) this.drawShade();
  }

  drawShade() {
    const end = this.axis.length;
    const slots = Math.round(this.windowS / this.width);
    this.shade.between(this.cut || !slots || !end ? null : Math.max(0, end - slots), end - 1);
  }

  // ------------------------------------------------------------------------------------ where one looks

  /** Look at so many of the newest seconds. */
  look(seconds) {
    if (!this.chart || !this.axis.length) return;
    const slots = seconds / this.width;
    const to = this.axis.length - 1 + slots * 0.06;
    this.chart.timeScale().setVisibleLogicalRange({ from: to - slots, to });
  }

  /** Look at what is between two seconds. */
  lookAt(from, to) {
    if (!this.chart || !this.axis.length) return;
    const [first, last] = [from, to].map((second) => indexAt(this.axis, second));
    this.chart.timeScale().setVisibleLogicalRange({ from: first, to: Math.max(last, first + 1) });
  }

  /** Whether the newest bar is in sight. */
  get atEnd() {
    return !this.chart || this.chart.timeScale().scrollPosition() >= -1;
  }

  goLive() {
    if (!this.chart) return;
    if (this.still) this.chart.timeScale().scrollToPosition(0, false);
    else this.chart.timeScale().scrollToRealTime();
  }

  /** Where a second is, in pixels from the left; null where it is not on the axis. */
  xOf(second) {
    const index = indexAt(this.axis, second);
    const logical = /** @type {import("lightweight-charts").Logical} */ (index);
    return index < 0 || !this.chart ? null : this.chart.timeScale().logicalToCoordinate(logical);
  }

  // ----------------------------------------------------------------------------------------------- words

  /** Say in the legend what was at a time; null: what is now. */
  tell(time) {
    this.pointed = time !== null;
    const text = time === null ? this.newestWords() : this.wordsAt(time);
    if (this.legend.textContent !== text) this.legend.textContent = text;
  }

  newestWords() {
    const bar = this.live.bars.at(-1);
    return bar ? barWords(bar, this.width) : "";
  }

  wordsAt(time) {
    const { bars } = this.live;
    const found = bars[indexAt(bars.map((bar) => bar[0]), time)];
    const words = [`${format.dateOf(time * 1e9)} ${format.time(time * 1e9)}`];
    words.push(found?.[0] === time ? barWords(found, this.width) : "nothing traded");
    const worth = this.worth ? this.worths[indexAt(this.worths.map((row) => row[0]), time)] : null;
    if (worth) words.push(`equity ${format.money(worth[1])}`, `drawdown ${format.money(worth[3])}`);
    return words.join(" · ");
  }

  /** What the chart shows, in a sentence. */
  get sentence() {
    const { bars } = this.live;
    if (!bars.length) return `Price chart of ${this.symbol}: no price yet`;
    const high = Math.max(...bars.map((bar) => bar[2]));
    const low = Math.min(...bars.map((bar) => bar[3]));
    const span = spanWords(this.axis.length * this.width);
    return `Price chart of ${this.symbol}, ${span}: last ${format.price(bars.at(-1)[4])}, highest ${format.price(high)}, lowest ${format.price(low)}`;
  }
}

/** Only the shadow: a body of no height at the last price. */
const reachOf = ([time, , high, low, close]) => ({ time, open: close, high, low, close });

function barWords([, open, high, low, close, volume, bid, ask], width) {
  const prices = width === 1 && high === low
    ? format.price(close)
    : `O ${format.price(open)} H ${format.price(high)} L ${format.price(low)} C ${format.price(close)}`;
  const quote = bid === null || ask === null || bid === undefined ? [] : [`bid ${format.price(bid)} ask ${format.price(ask)}`];
  return [prices, `volume ${format.quantity(volume)}`, ...quote].join(" · ");
}
