// The banners: what is not as it should be, and what goes on all the same.

import { CHAINS_SAID, stateOf, unheard } from "./chains.js";
import { byId, node, reconcile } from "./dom.js";

const STATES_SAID = {
  PAUSED: ["warn", "Paused: no new entries, open positions keep their exits."],
  REDUCING: ["warn", "Reducing: no new entries, open positions are only closed."],
  HALTED: ["bad", "Halted: positions were closed and no entry is made."],
};

const guardOf = (position) => (position?.guard ? ` Its open position is guarded by ${position.guard}.` : "");

const MOST_UNHEARD = 3; // banners of that kind; beyond it, one says it of all

function unheardBanners(store) {
  const symbols = unheard(store);
  if (symbols.length > MOST_UNHEARD) {
    const names = symbols.slice(0, MOST_UNHEARD).map((symbol) => symbol.name).join(", ");
    const why = symbols[0].chain.slice("UNUSED: ".length);
    return [["warn", `Ticks of ${names} and ${symbols.length - MOST_UNHEARD} more come, but ${why}.`]];
  }
  return symbols.map((symbol) => ["warn", `Ticks of ${symbol.name} come, but ${symbol.chain.slice("UNUSED: ".length)}.`]);
}

/** What is to be known of a feed that is live: prices that are old, symbols of which it is silent. */
function feedBanners({ delay_s: delayS = 0, stale = {} }) {
  const late = delayS ? [["warn", `Prices are ${age(delayS)} old: entries are refused.`]] : [];
  const names = Object.keys(stale);
  if (names.length > MOST_UNHEARD) {
    const shown = names.slice(0, MOST_UNHEARD).join(", ");
    return [...late, ["warn", `${shown} and ${names.length - MOST_UNHEARD} more are stale: their entries are refused, exits go on.`]];
  }
  return [...late, ...names.map((name) => ["warn", `${name} is stale (${stale[name]}): its entries are refused, exits go on.`])];
}

function chainBanner(symbol, position) {
  const state = stateOf(symbol.chain);
  const [tone, word, then] = CHAINS_SAID[state];
  const over = state === "FAILED" || state === "REMOVED";
  return [tone, `The strategy of ${symbol.name} ${word}${symbol.chain.slice(state.length)}.${then}${guardOf(position)}`, over ? symbol.name : ""];
}

/** How long ago something was: "12 s", "3 min", "2 h". */
function age(seconds) {
  if (seconds < 90) return `${Math.round(seconds)} s`;
  return seconds < 5400 ? `${Math.round(seconds / 60)} min` : `${Math.round(seconds / 3600)} h`;
}

export function drawBanners(store, { connected, quietS, restart, unlock }) {
  const banners = [];
  if (!store.bot.running) {
    banners.push(["bad", "The bot has stopped. This is its last state; the page goes on by itself when the bot is back."]);
  } else if (!connected && !store.loaded) {
    banners.push(["warn", "Connecting…"]);
  } else if (!connected && quietS >= 1) {
    banners.push(["warn", `Connection lost, reconnecting… What you see is ${age(quietS)} old.`]);
  } else if (quietS >= 10) {
    banners.push(["warn", `No word from the bot for more than ${Math.floor(quietS / 10) * 10} s.`]);
  }
  const said = STATES_SAID[store.state.state];
  if (said && store.bot.running) banners.push([said[0], store.state.reason ? `${said[1]} Reason: ${store.state.reason}` : said[1]]);
  if (store.bot.running && store.feed.state === "STALE") banners.push(["warn", "The feed is stale: entries are refused until ticks come again."]);
  if (store.bot.running) banners.push(...feedBanners(store.feed));
  if (store.bot.running) banners.push(...unheardBanners(store));
  for (const symbol of store.symbols.values()) {
    const position = store.positions.get(symbol.name);
    if (CHAINS_SAID[stateOf(symbol.chain)]) banners.push(chainBanner(symbol, position));
    else if (position?.guard && position.exits !== "OWN") banners.push(["warn", `${symbol.name}:${guardOf(position)}`]);
  }
  for (const [name, why] of Object.entries(store.symbolsHalted)) banners.push(["bad", `${name} is halted: ${why}.`]);
  for (const [name, why] of Object.entries(store.locks)) banners.push(["warn", `${name} is locked ${why}.`, "", name]);
  reconcile(byId("banners"), banners, (banner) => banner.join(" "), ([tone, text, restartable, locked]) => {
    const made = node("p", "banner", text);
    made.dataset.tone = tone;
    if (restartable) {
      const button = node("button", "small", "Restart");
      button.type = "button";
      button.title = `Start the strategy of ${restartable} again, with fresh windows.`;
      button.addEventListener("click", () => restart(restartable));
      made.append(" ", button);
    }
    if (locked) {
      const button = node("button", "small", "Unlock");
      button.type = "button";
      button.title = `Allow entries in ${locked} again.`;
      button.addEventListener("click", () => unlock(locked));
      made.append(" ", button);
    }
    return made;
  });
}
