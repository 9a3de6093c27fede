"use strict";
// Draws the prices with the trades on them, and the equity, of the data in the page; asks for nothing.
(() => {
  const data = JSON.parse(document.getElementById("report-data").textContent);
  const library = window.LightweightCharts;
  const LONGEST_GAP_S = 1800; // of a market that is open: longer ones are left out of the time axis
  const MANY_BARS = 1500; // in sight: marks are small then
  const root = document.documentElement;
  const minus = (text) => text.replace("-", "\u2212");
  const clock = new Intl.DateTimeFormat("en-GB", { timeZone: data.zone, hour: "2-digit", minute: "2-digit", second: "2-digit" });
  const day = new Intl.DateTimeFormat("en-CA", { timeZone: data.zone, year: "numeric", month: "2-digit", day: "2-digit" });
  const timeOf = (seconds) => clock.format(seconds * 1000);
  const dayOf = (seconds) => day.format(seconds * 1000);

  function colours(printed) {
    const style = getComputedStyle(root);
    const names = ["card", "text", "muted", "grid", "line", "line-strong", "accent", "up", "down", "down-soft"];
    const found = Object.fromEntries(names.map((name) => [name, style.getPropertyValue(`--${name}`).trim()]));
    return printed ? { ...found, ...data.paper } : found;
  }

  function make(node, priceFormat) {
    return library.createChart(node, {
      autoSize: true,
      layout: { attributionLogo: false }, // from the first: it brings a style of its own; the page's last line names its maker
      localization: { timeFormatter: (s) => `${dayOf(s)} ${timeOf(s)}`, priceFormatter: priceFormat },
      rightPriceScale: { borderVisible: false },
      timeScale: {
        borderVisible: false, timeVisible: true, secondsVisible: true, minBarSpacing: 0.01,
        tickMarkFormatter: (s, kind) => (kind <= 2 ? dayOf(s) : timeOf(s)),
      },
      handleScroll: { mouseWheel: false, vertTouchDrag: false },
      handleScale: { mouseWheel: true },
    });
  }

  function dress(chart, c) {
    chart.applyOptions({
      layout: { background: { color: c.card }, textColor: c.muted, fontSize: 11, fontFamily: getComputedStyle(document.body).fontFamily },
      grid: { vertLines: { color: c.grid }, horzLines: { color: c.grid } },
    });
  }

  /** Bars as they are written down, with seconds in which nothing was traded filled by the last price. */
  function unpack({ width, start, steps, scale, moves }) {
    const points = [];
    let time = start, price = 0;
    steps.forEach((step, place) => {
      const next = time + step * width;
      if (place && next - time <= LONGEST_GAP_S) {
        for (let between = time + width; between < next; between += width) points.push({ time: between, value: price / scale });
      }
      time = next;
      price += moves[place];
      points.push({ time, value: price / scale });
    });
    return points;
  }

  const charts = [];
  const slot = (seconds, width) => Math.floor(seconds) - (Math.floor(seconds) % width);

  /** Arrows at entries and dots at exits; small where many stand close. */
  function marksOf(symbol, width, c, small) {
    const marks = [];
    for (const trade of data.trades) {
      if (data.symbols[trade[0]] !== symbol) continue;
      const [, long, entry, entryPrice, exit, exitPrice, pnl] = trade;
      marks.push({ time: slot(entry, width), price: entryPrice, position: long ? "atPriceBottom" : "atPriceTop", shape: long ? "arrowUp" : "arrowDown", color: c.text, size: small ? 0.4 : 1 });
      marks.push({ time: slot(exit, width), price: exitPrice, position: "atPriceMiddle", shape: pnl > 0 ? "circle" : "square", color: pnl > 0 ? c.up : c.down, size: small ? 0.25 : 0.6 });
    }
    return marks.sort((a, b) => a.time - b.time);
  }

  function priceChart(node) {
    const chart = make(node, (value) => value.toFixed(data.decimals));
    const line = chart.addSeries(library.LineSeries, { lineWidth: 1.5, priceLineVisible: false, lastValueVisible: false });
    const markers = library.createSeriesMarkers(line, [], { zOrder: "top" });
    const chosen = document.getElementById("symbol");
    let bars = null, small = true;
    function paint(c) {
      dress(chart, c);
      line.applyOptions({ color: c.accent });
      if (bars) markers.setMarkers(marksOf(bars.symbol, bars.width, c, small));
    }
    function show(symbol) {
      bars = { symbol, width: data.bars[symbol].width };
      markers.setMarkers([]);
      line.setData(unpack(data.bars[symbol]));
      paint(colours(false));
      chart.timeScale().fitContent();
    }
    chart.timeScale().subscribeVisibleLogicalRangeChange((range) => {
      const now = range !== null && range.to - range.from > MANY_BARS;
      if (now !== small) {
        small = now;
        paint(colours(false));
      }
    });
    chosen?.addEventListener("change", () => show(chosen.value));
    document.getElementById("whole").addEventListener("click", () => chart.timeScale().fitContent());
    show(Object.keys(data.bars)[0]);
    charts.push(paint);

    function zoom(row) {
      const { symbol, from, to } = row.dataset;
      if (!data.bars[symbol]) return;
      if (bars.symbol !== symbol) {
        if (chosen) chosen.value = symbol;
        show(symbol);
      }
      const room = Math.max(30, 20 * bars.width);
      chart.timeScale().setVisibleRange({ from: Number(from) - room, to: Number(to) + room });
      node.scrollIntoView({ block: "center" });
    }
    for (const row of document.querySelectorAll("tr[data-trade]")) {
      row.tabIndex = 0;
      row.addEventListener("click", () => zoom(row));
      row.addEventListener("keydown", (event) => { if (event.key === "Enter") zoom(row); });
    }
  }

  function equityChart(node) {
    const chart = make(node, (value) => minus(value.toFixed(2)));
    const worth = chart.addSeries(library.LineSeries, { lineWidth: 2, priceLineVisible: false, lineType: 1 });
    const fall = chart.addSeries(library.BaselineSeries, { baseValue: { type: "price", price: 0 }, lineWidth: 1, priceLineVisible: false, lastValueVisible: false }, 1);
    const last = new Map(data.equity.map((point) => [Math.floor(point[0]), point]));
    const points = [...last.entries()].sort((a, b) => a[0] - b[0]);
    worth.setData(points.map(([time, [, value]]) => ({ time, value })));
    fall.setData(points.map(([time, [, , value]]) => ({ time, value })));
    chart.panes()[0].setStretchFactor(2);
    chart.panes()[1].setStretchFactor(1);
    chart.timeScale().fitContent();
    charts.push((c) => {
      dress(chart, c);
      worth.applyOptions({ color: c.accent });
      fall.applyOptions({ topLineColor: c.down, bottomLineColor: c.down, topFillColor1: "transparent", topFillColor2: "transparent", bottomFillColor1: c["down-soft"], bottomFillColor2: c["down-soft"] });
    });
  }

  const price = document.getElementById("price"), equity = document.getElementById("equity");
  if (price && Object.keys(data.bars).length) priceChart(price);
  if (equity && data.equity.length) equityChart(equity);
  const paint = (printed) => { const c = colours(printed === true); for (const draw of charts) draw(c); };
  paint();
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => paint());
  addEventListener("beforeprint", () => paint(true));
  addEventListener("afterprint", () => paint());
})();
