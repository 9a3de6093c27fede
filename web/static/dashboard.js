// Connects the event stream to the store, and the store to the page.

import { Alerts } from "./alerts.js";
import { chosen } from "./choices.js";
import { Commands } from "./commands.js";
import { firstShown, heard, isOpening, link, store } from "./first.js";
import * as format from "./format.js";
import { listen } from "./keys.js";
import { Pace } from "./pace.js";
import { drawBanners } from "./panels/banners.js";
import { drawDay, drawPositions, drawWhy } from "./panels/account.js";
import { BlackBox } from "./panels/black-box.js";
import { drawAge, drawPrice } from "./panels/cards.js";
import { ChartPanel } from "./panels/chart.js";
import { FiguresPanel } from "./panels/figures.js";
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
import { drawTabs, listenForKeys } from "./panels/symbols.js";
import { drawTicks } from "./panels/ticks.js";
import { drawHeaderDay } from "./panels/header-day.js";
import { TradesPanel } from "./panels/trades.js";
import { View } from "./panels/view.js";
import { decisionIn } from "./story.js";
import { Stream } from "./stream.js";
import { drawTab } from "./tab.js";
import { reloadIfReplaced } from "./version.js";
import { Zones } from "./zones.js";

const chart = new ChartPanel();
const commands = new Commands();
const mockExchange = new MockExchange(document.getElementById("exchange-panel"), store);
new Log(document.getElementById("log-panel"));
new Settings(document.getElementById("settings-panel"));
const trades = new TradesPanel(document.getElementById("trades-panel"));
const figures = new FiguresPanel(document.getElementById("figures-panel"));
const box = new BlackBox(document.getElementById("black-box"), () => select(selected));
const zones = new Zones();
const alerts = new Alerts();
const view = new View(zones, alerts);
const pace = new Pace(draw);
let selected = decodeHash();
let connected = false;

function decodeHash() {
  if (location.hash.startsWith("#secret=")) { // it is not needed again once one is in, and should not stand on the screen
    history.replaceState(null, "", location.pathname);
    return "";
  }
  if (decisionIn(location.hash)) return "";
  try {
    return decodeURIComponent(location.hash.slice(1));
  } catch {
    return "";
  }
}

function select(name) {
  selected = name;
  history.replaceState(null, "", `#${encodeURIComponent(name)}`);
  pace.mark("everything");
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
    drawHeaderDay(store);
    if (current()?.why?.until != null) drawWhy(store, current(), link()); // what is left of it runs on
    chart.position();
  },
  metrics: () => {
    drawDay(store);
    drawHeaderDay(store);
    drawFunnel(store);
    drawStrategy(store, current());
    drawSession(store);
    drawQueues(store);
    drawSymbolControls(store, current(), commands);
    figures.update(store);
    trades.update(store); // the day, or the reason why there is none, may have changed
  },
  gauges: () => drawGauges(current()),
  operators: () => drawOperators(current()),
  trades: () => {
    figures.update(store);
    trades.update(store);
  },
  ticks: () => {
    drawTicks(current());
    chart.extend();
  },
  marks: () => chart.marks(),
  looks: () => drawLooks(store, PARTS.looks),
  notices: () => drawNotices(store),
};

function showBanners() {
  drawBanners(store, link(), (command, symbol) => commands.send(command, "", symbol));
}

/** Draw what ages although nothing comes: also then the page says how old it is. */
function drawAges() {
  if (document.hidden) return;
  drawStatus(store, link());
  showBanners();
  if (pace.waiting.size) return; // the rest is drawn soon, prices and all
  drawAge(store, current(), link());
  drawWhy(store, current(), link());
  drawPositions(store, selected, select, link());
}

function startOver() {
  if (!store.symbols.has(selected)) selected = firstShown() ?? selected;
  stream.look(selected);
  zones.show(store.session?.settings?.risk?.timezone ?? "UTC", chosen("times"), store.now);
  format.setReasons(store.session?.words);
  box.show(decisionIn(location.hash));
  const zone = format.timeZoneLabel(store.now);
  document.getElementById("times").textContent = `Times are ${zone}${chosen("times") === "viewer" ? ", yours" : ", as the venue tells them"}.`;
  document.getElementById("chart-title").textContent = selected ? `${selected} price` : "Price";
  document.getElementById("chart-aside").textContent = `times ${zone}`;
  document.getElementById("panel").setAttribute("aria-label", selected ? `Dashboard of ${selected}` : "Dashboard");
  if (current()) chart.show(current(), store);
}

function draw(parts) {
  const everything = parts.has("everything") || (!selected && store.symbols.size > 0); // the first symbol has come with a tick
  if (everything) startOver();
  for (const [name, drawPart] of Object.entries(PARTS)) {
    if (everything || parts.has(name)) drawPart();
  }
}

// ---------------------------------------------------------------------------------------- the stream

const listener = {
  events: (told, at) => {
    heard.at = at;
    for (const [name, data] of told) {
      pace.mark(...store.apply(name, data));
      if (name !== "snapshot") continue;
      mockExchange.look(); // it may be another bot
      alerts.forget();
    }
    alerts.look(store);
  },
  whole: (told, at) => {
    heard.at = at;
    Object.assign(store, told);
    alerts.forget();
    alerts.look(store);
    pace.mark("everything");
    mockExchange.look();
  },
  turned: (link) => {
    if (link.state !== "lost" || !isOpening()) store.link = link;
    if (!connected && link.state !== "lost") reloadIfReplaced();
    connected = link.state !== "lost";
    pace.mark("status", "price", "why", "position");
  },
  refused: () => location.reload(), // the page that asks for the secret is there now
};

addEventListener("hashchange", () => {
  const decision = decisionIn(location.hash);
  box.show(decision);
  if (!decision) select(decodeHash() || selected);
});
const more = document.getElementById("commands-more"); // of a phone
more.addEventListener("click", () => more.setAttribute("aria-expanded", String(more.getAttribute("aria-expanded") !== "true")));
document.getElementById("operators").addEventListener("toggle", () => drawOperators(current()));
const PLACES = { trades: "#trades-panel", chart: ".chart-panel", log: "#log-panel" };

/** Go on by so many symbols, in the order in which they are listed. */
function step(by) {
  const names = [...document.querySelectorAll("#tabs [role=tab]")].map((tab) => /** @type {HTMLElement} */ (tab).dataset.symbol);
  if (names.length) select(names[(names.indexOf(selected) + by + names.length) % names.length]);
}

listenForKeys(select);
listen((name) => {
  if (name === "help") view.open();
  else if (name === "next" || name === "previous") step(name === "next" ? 1 : -1);
  else if (name === "search") document.getElementById("symbol-search")?.focus();
  else if (PLACES[name]) {
    const place = /** @type {HTMLElement} */ (document.querySelector(PLACES[name]));
    place.querySelector(":scope > details")?.setAttribute("open", "");
    place.tabIndex = -1;
    place.focus();
  } else /** @type {HTMLElement} */ (document.querySelector(`[data-command="${name}"]`)).click(); // one that is disabled does nothing
});
setInterval(() => drawTab(store, selected, connected), 1000);
setInterval(drawAges, 500);
commands.offer("", true, false);
if (store.loaded) pace.mark("everything");
const stream = new Stream(listener, selected);
dispatchEvent(new Event("pagestarted")); // `loading.js`, in the page, waits for it
