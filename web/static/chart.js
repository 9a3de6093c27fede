// The live price chart: one point a second, buy and sell marks, and a line at the price of the open position.

import * as format from "./format.js";

const POINTS = 3600;

const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

export class PriceChart {
  /** Draw into `container`; `note` takes the place of the chart while there is nothing to draw with. */
  constructor(container, note) {
    this.container = container;
    this.note = note;
    this.library = window.LightweightCharts;
    this.symbol = null;
    this.entry = null;
    this.drawn = 0;
    this.lastTime = -Infinity;
    this.line = null;
    if (!this.library) {
      container.hidden = true;
      note.textContent = "The chart is not available: its library was not put into this installation. " +
        "Everything else works. Installing the package with npm at hand brings it.";
      return;
    }
    const { createChart, createSeriesMarkers, LineSeries, CrosshairMode } = this.library;
    this.chart = createChart(container, {
      autoSize: true,
      crosshair: { mode: CrosshairMode.Magnet },
      rightPriceScale: { borderVisible: false, scaleMargins: { top: 0.12, bottom: 0.1 } },
      timeScale: {
        borderVisible: false, timeVisible: true, secondsVisible: true, barSpacing: 5, minBarSpacing: 0.15, rightOffset: 8,
        tickMarkFormatter: (seconds, kind) => (kind <= 2 ? format.dateOf(seconds * 1e9) : format.time(seconds * 1e9)),
      },
      localization: { timeFormatter: (seconds) => `${format.dateOf(seconds * 1e9)} ${format.time(seconds * 1e9)}`, priceFormatter: format.price },
      handleScale: { axisPressedMouseMove: { time: true, price: false } },
    });
    this.series = this.chart.addSeries(LineSeries, { lineWidth: 2, priceLineVisible: true, lastValueVisible: true });
    this.markers = createSeriesMarkers(this.series, []);
    this.paint();
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
      this.paint();
      this.showMarks(this.marks ?? []);
    });
  }

  /** Take the colours from the style sheet: a canvas cannot read them by itself. */
  paint() {
    this.chart.applyOptions({
      layout: { background: { color: colour("--card") }, textColor: colour("--muted"), fontFamily: getComputedStyle(document.body).fontFamily, fontSize: 11 },
      grid: { vertLines: { color: colour("--grid") }, horzLines: { color: colour("--grid") } },
      crosshair: { vertLine: { color: colour("--line-strong") }, horzLine: { color: colour("--line-strong") } },
    });
    this.series.applyOptions({ color: colour("--accent"), priceLineColor: colour("--line-strong") });
  }

  /** Start over with a symbol: its history, marks and position. */
  show(symbol, position) {
    this.symbol = symbol.name;
    this.container.setAttribute("aria-label", `Price chart of ${symbol.name}`);
    if (!this.chart) return;
    const [, decimals] = format.priceDecimals(symbol.price ?? 1);
    this.series.applyOptions({ priceFormat: { type: "custom", formatter: format.price, minMove: 10 ** -decimals } });
    this.draw(symbol.history);
    this.showMarks(symbol.marks);
    this.showPosition(position);
    this.goLive();
  }

  draw(history) {
    const points = history.length > POINTS ? history.slice(history.length - POINTS) : history;
    this.series.setData(points.map(([time, value]) => ({ time, value })));
    this.drawn = points.length;
    this.note.hidden = points.length > 0;
    this.lastTime = points.at(-1)?.[0] ?? -Infinity;
  }

  /** Draw what the history has beyond what is drawn; one batch a frame of the screen. */
  extend(history) {
    if (!this.chart || !history.length) return;
    let from = history.length;
    while (from > 0 && history[from - 1][0] >= this.lastTime) from -= 1;
    const fresh = history.length - from;
    // The library cannot drop old points, so a full redraw now and then keeps their number bounded.
    if (fresh > 300 || this.drawn + fresh > POINTS * 1.25) {
      this.draw(history);
      return;
    }
    for (let i = from; i < history.length; i += 1) {
      const [time, value] = history[i];
      if (time > this.lastTime) this.drawn += 1;
      this.note.hidden = true;
      this.series.update({ time, value });
      this.lastTime = time;
    }
  }

  showMarks(marks) {
    if (!this.chart) return;
    this.marks = marks;
    const shown = marks.map((mark) => {
      const buy = mark.side === "BUY";
      return {
        time: Math.floor(mark.ts / 1e9),
        position: buy ? "belowBar" : "aboveBar",
        shape: buy ? "arrowUp" : "arrowDown",
        color: colour(buy ? "--up" : "--down"),
        text: mark.leg === "exit" ? mark.label : "",
        size: 1,
      };
    });
    shown.sort((a, b) => a.time - b.time);
    this.markers.setMarkers(shown);
  }

  /** Draw a line at the entry price while a position is open. */
  showPosition(position) {
    if (!this.chart) return;
    const entry = position ? `${position.side} ${position.entry_price}` : null;
    if (entry === this.entry && this.symbol === this.lineOf) return;
    if (this.line) this.series.removePriceLine(this.line);
    this.line = position
      ? this.series.createPriceLine({ price: position.entry_price, color: colour(position.side === "LONG" ? "--up" : "--down"), lineStyle: 2, lineWidth: 1, title: position.side.toLowerCase() })
      : null;
    this.entry = entry;
    this.lineOf = this.symbol;
  }

  goLive() {
    this.chart?.timeScale().scrollToRealTime();
  }
}
