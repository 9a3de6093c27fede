// Shows the figures that the page came with, before the other panels are there: with few modules, so that it is soon.

import { drawAge, drawPrice } from "./panels/cards.js";
import { drawHeaderDay } from "./panels/header-day.js";
import { drawStatus } from "./panels/status.js";
import { Store } from "./store.js";

const OPENING_MS = 2000; // for which a page that came with figures may be without a stream

export const store = new Store();

/** When the bot was heard of last; by the wall clock, which goes on while a laptop sleeps. */
export const heard = { at: Date.now() };

/** Whether the page lives on the figures that it came with. */
export const isOpening = () => store.link.state === "opening";

/** How the page hears of the bot, and when it did last. */
export const link = () => ({ how: isOpening() && Date.now() - store.link.since > OPENING_MS ? "lost" : store.link.state, heardAt: heard.at });

/** A symbol to begin with: one of which all is told. */
export function firstShown() {
  const symbols = [...store.symbols.values()];
  return (symbols.find((symbol) => symbol.whole) ?? symbols[0])?.name;
}

const told = document.getElementById("first-view")?.textContent;
if (told) {
  const { snapshot, quiet_s: quietS } = JSON.parse(told);
  heard.at = Date.now() - quietS * 1000;
  store.apply("snapshot", snapshot);
  store.link = { state: "opening", since: Date.now() };
  drawStatus(store, link());
  if (location.hash.length < 2) { // else it is another symbol's
    const symbol = store.symbols.get(firstShown());
    drawPrice(symbol);
    drawAge(store, symbol, link());
  }
  drawHeaderDay(store);
}
