// Connects the event stream to the store, and the store to the page, which is drawn at most once a screen frame.

import { Commands } from "./commands.js";
import * as format from "./format.js";
import { drawBanners } from "./panels/banners.js";
import { drawDay, drawPositions, drawWhy } from "./panels/account.js";
import { drawAge, drawMetrics, drawPrice } from "./panels/cards.js";
import { ChartPanel } from "./panels/chart.js";
import { drawFunnel } from "./panels/funnel.js";
import { drawGauges } from "./panels/gauges.js";
import { drawLooks } from "./panels/looks.js";
import { drawNotices, drawQueues, drawSession } from "./panels/session.js";
import { Log } from "./panels/log.js";
import { MockExchange } from "./panels/mock-exchange.js";
import { Settings } from "./panels/settings.js";
import { drawStatus } from "./panels/status.js";
import { drawOperators, drawStrategy } from "./panels/strategy.js";
import { drawSymbolControls } from "./panels/symbol-controls.js";
import { drawTabs } from "./panels/symbols.js";
import { drawTicks } from "./panels/ticks.js";
import { TradesPanel } from "./panels/trades.js";
import { Store } from "./store.js";
import { Stream } from "./stream.js";

const store = new Store();
const chart = new ChartPanel();
const commands = new Commands();
const mockExchange = new MockExchange(document.getElementById("exchange-panel"), store);
new Log(document.getElementById("log-panel"));
new Settings(document.getElementById("settings-panel"));
const trades = new TradesPanel(document.getElementById("trades-panel"));
const dirty = new Set();
let selected = decodeHash();
let connected = false;
let heardAt = Date.now(); // by the wall clock, which goes on while a laptop sleeps
let scheduled = false;

function decodeHash() {
  if (location.hash.startsWith("#secret=")) { // it is not needed again once one is in, and should not stand on the screen
    history.replaceState(null, "", location.pathname);
    return "";
  }
  try {
    return decodeURIComponent(location.hash.slice(1));
  } catch {
    return "";
  }
}

function select(name) {
  selected = name;
  history.replaceState(null, "", `#${encodeURIComponent(name)}`);
  mark("everything");
}

/** A symbol to begin with: one of which all is told. */
function firstShown() {
  const symbols = [...store.symbols.values()];
  return (symbols.find((symbol) => symbol.whole) ?? symbols[0])?.name;
}

const current = () => store.symbols.get(selected);

// ------------------------------------------------------------------------------------------- drawing

const PARTS = {
  status: () => {
    drawStatus(store, link());
    // Also without a stream: whether a command gets through is said when it is tried.
    commands.offer(store.state.state, store.bot.running, store.loaded, store.state.no_resume);
    showBanners();
  },
  tabs: () => drawTabs(store, selected, select),
  price: () => {
    drawPrice(current());
    drawAge(store, current(), link());
  },
  why: () => drawWhy(store, current(), link()),
  position: () => {
    drawPositions(store, selected, select, link());
    drawDay(store);
    if (current()?.why?.until != null) drawWhy(store, current(), link()); // what is left of it runs on
    chart.position();
  },
  metrics: () => {
    drawMetrics(store);
    drawDay(store);
    drawFunnel(store);
    drawStrategy(store, current());
    drawSession(store);
    drawQueues(store);
    drawSymbolControls(store, current(), commands);
    trades.update(store); // the day, or the reason why there is none, may have changed
  },
  gauges: () => drawGauges(current()),
  operators: () => drawOperators(current()),
  trades: () => trades.update(store),
  ticks: () => {
    drawTicks(current());
    chart.extend();
  },
  marks: () => chart.marks(),
  looks: () => drawLooks(store, () => mark("looks")),
  notices: () => drawNotices(store),
};

/** How the page hears of the bot, and when it did last. */
const link = () => ({ how: store.link.state, heardAt });

function showBanners() {
  drawBanners(store, link(), (command, symbol) => commands.send(command, "", symbol));
}

/** Draw what ages although nothing comes: also then the page says how old it is. */
function drawAges() {
  if (document.hidden) return;
  drawStatus(store, link());
  showBanners();
  drawAge(store, current(), link());
  drawWhy(store, current(), link());
  drawPositions(store, selected, select, link());
}

function startOver() {
  if (!store.symbols.has(selected)) selected = firstShown() ?? selected;
  stream.look(selected);
  format.setTimeZone(store.session?.settings?.risk?.timezone ?? "UTC");
  format.setReasons(store.session?.words);
  const zone = format.timeZoneLabel(store.now);
  document.getElementById("times").textContent = `Times are ${zone}, as the venue tells them.`;
  document.getElementById("chart-title").textContent = selected ? `${selected} price` : "Price";
  document.getElementById("chart-aside").textContent = `times ${zone}`;
  document.getElementById("panel").setAttribute("aria-label", selected ? `Dashboard of ${selected}` : "Dashboard");
  if (current()) chart.show(current(), store);
}

function draw() {
  scheduled = false;
  if (!selected && store.symbols.size) dirty.add("everything"); // the first symbol has come with a tick
  const everything = dirty.has("everything");
  if (everything) startOver();
  for (const [name, drawPart] of Object.entries(PARTS)) {
    if (everything || dirty.has(name)) drawPart();
  }
  dirty.clear();
}

/** Note that parts of the page are out of date; a hidden page is not drawn, and all at once when it is seen again. */
function mark(...parts) {
  for (const part of parts) dirty.add(part);
  if (!scheduled) {
    scheduled = true;
    requestAnimationFrame(draw);
  }
}

function drawTitle() {
  if (!connected && store.bot.running) { // no price that may be another by now
    document.title = document.hidden ? "not live while hidden · microbot" : "not connected · microbot";
    return;
  }
  const symbol = current();
  const position = store.positions.get(selected);
  const held = position ? `${position.side} ${format.signedMoney(position.open_profit)}` : "";
  const price = symbol?.price == null ? "" : `${selected} ${format.price(symbol.price)}`;
  document.title = [store.bot.running ? "" : "stopped", held, price, "microbot"].filter(Boolean).join(" · ");
}

// ---------------------------------------------------------------------------------------- the stream

const listener = {
  events: (told, at) => {
    heardAt = at;
    for (const [name, data] of told) {
      mark(...store.apply(name, data));
      if (name === "snapshot") mockExchange.look(); // it may be another bot
    }
  },
  whole: (told, at) => {
    heardAt = at;
    Object.assign(store, told);
    mark("everything");
    mockExchange.look();
  },
  turned: (link) => {
    store.link = link;
    connected = link.state !== "lost";
    mark("status", "price", "why", "position");
  },
  refused: () => location.reload(), // the page that asks for the secret is there now
};

addEventListener("hashchange", () => select(decodeHash() || selected));
document.getElementById("operators").addEventListener("toggle", () => mark("operators"));
document.getElementById("tabs").addEventListener("keydown", (event) => {
  const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
  if (!step) return;
  const names = [...store.symbols.keys()];
  select(names[(names.indexOf(selected) + step + names.length) % names.length]);
  draw();
  document.querySelector('[role="tab"][aria-selected="true"]')?.focus();
});
setInterval(drawTitle, 1000);
setInterval(drawAges, 500);
commands.offer("", true, false);
const stream = new Stream(listener, selected);
