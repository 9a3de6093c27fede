// The banners: what is not as it should be, and what goes on all the same.

import * as format from "../format.js";
import { feedBanner, silenceBanner } from "../standing.js";
import { repeat } from "../vendor/lit-html/directives/repeat.js";
import { html, nothing, render } from "../vendor/lit-html/lit-html.js";
import { CHAINS_SAID, stateOf, unheard } from "./chains.js";
import { byId } from "./dom.js";

const STATES_SAID = {
  PAUSED: ["warn", "Paused: no new entries, open positions keep their exits."],
  REDUCING: ["warn", "Reducing: no new entries, open positions are only closed."],
  HALTED: ["bad", "Halted: open positions are closed, and no entry is made."],
};

const guardOf = (position) => (position?.guard ? ` Its open position is guarded by ${position.guard}.` : "");

const QUIET_S = 10; // of the bot, from which it is said
const MOST_NAMED = 3; // banners of a kind; beyond it, one says it of all

/** A banner for each of several symbols, or one for all of them. */
function ofSymbols(kind, symbols, one, many) {
  if (symbols.length <= MOST_NAMED) return symbols.map((symbol) => ({ key: `${kind} ${symbol}`, tone: "warn", text: one(symbol) }));
  const names = `${symbols.slice(0, MOST_NAMED).join(", ")} and ${symbols.length - MOST_NAMED} more`;
  return [{ key: kind, tone: "warn", text: many(names) }];
}

function unheardBanners(store) {
  const why = (name) => store.symbols.get(name).chain.slice("UNUSED: ".length);
  const names = unheard(store).map((symbol) => symbol.name);
  const said = (named, name) => `Ticks of ${named} come, but ${why(name)}.`;
  return ofSymbols("unheard", names, (name) => said(name, name), (named) => said(named, names[0]));
}

/** @returns {Banner} */
function stateBanner([tone, said], { reason, ts }) {
  return { key: "state", tone, text: `${said}${reason ? ` Reason: ${reason}.` : ""}`, clock: ts ? `Since ${format.time(ts)}` : "" };
}

/** What is to be known of a feed that is live: prices that are old, symbols of which it is silent. */
function liveFeedBanners({ state, delay_s: delayS = 0, stale = {} }) {
  if (state !== "LIVE") return [];
  const late = delayS ? [{ key: "delay", tone: "warn", text: `Prices are ${format.age(delayS)} old: entries are refused.` }] : [];
  const one = (name) => `${name} is stale (${stale[name]}): its entries are refused, exits go on.`;
  return [...late, ...ofSymbols("stale", Object.keys(stale), one, (names) => `${names} are stale: their entries are refused, exits go on.`)];
}

/** @returns {Banner} */
function chainBanner(symbol, position) {
  const state = stateOf(symbol.chain);
  const [tone, word, then] = CHAINS_SAID[state];
  const over = state === "FAILED" || state === "REMOVED";
  const text = `The strategy of ${symbol.name} ${word}${symbol.chain.slice(state.length)}.${then}${guardOf(position)}`;
  return { key: `chain ${symbol.name}`, tone, text, ...(over ? { command: ["restart", symbol.name] } : {}) };
}

/**
 * `clock` is what ticks on in it: it is not read out each time that it does.
 * @typedef {{ key: string, tone: string, text: string, clock?: string, command?: [string, string] }} Banner
 */

/**
 * What the page itself does not hear.
 * @returns {Banner[]}
 */
function linkBanners(store, { how, heardAt }, now) {
  const quietS = Math.max(0, now - heardAt) / 1000;
  if (!store.bot.running) {
    return [{ key: "stopped", tone: "bad", text: "The bot has stopped. This is its last state; the page goes on by itself when the bot is back." }];
  }
  if (how === "lost" && !store.loaded) return [{ key: "link", tone: "warn", text: "Connecting…" }];
  if (how === "lost" && quietS >= 1) {
    return [{ key: "link", tone: "warn", text: "Connection lost, reconnecting… A bot that runs goes on without this page.", clock: `what you see is ${format.age(quietS)} old` }];
  }
  return quietS >= QUIET_S ? [{ key: "link", tone: "warn", text: "No word from the bot.", clock: `for ${format.age(quietS)}` }] : [];
}

/** @returns {Banner[]} */
function bannersOf(store, link, now) {
  const banners = linkBanners(store, link, now);
  if (store.bot.running) {
    const said = STATES_SAID[store.state.state];
    if (said) banners.push(stateBanner(said, store.state));
    const feed = store.loaded && link.how !== "lost" ? feedBanner(store, now) ?? silenceBanner(store, now) : null;
    if (feed) banners.push(feed);
    banners.push(...liveFeedBanners(store.feed), ...unheardBanners(store));
  }
  for (const symbol of store.symbols.values()) {
    const position = store.positions.get(symbol.name);
    if (CHAINS_SAID[stateOf(symbol.chain)]) banners.push(chainBanner(symbol, position));
    else if (position?.guard && position.exits !== "OWN") banners.push({ key: `guard ${symbol.name}`, tone: "warn", text: `${symbol.name}:${guardOf(position)}` });
  }
  for (const [name, why] of Object.entries(store.symbolsHalted)) banners.push({ key: `halted ${name}`, tone: "bad", text: `${name} is halted: ${why}.` });
  for (const [name, why] of Object.entries(store.locks)) banners.push({ key: `locked ${name}`, tone: "warn", text: `${name} is locked ${why}.`, command: ["unlock", name] });
  return banners;
}

const OFFERS = {
  restart: ["Restart", (symbol) => `Start the strategy of ${symbol} again, with fresh windows.`],
  unlock: ["Unlock", (symbol) => `Allow entries in ${symbol} again.`],
};

/** Draw them; `send(command, symbol)` is what their buttons do. */
export function drawBanners(store, link, send) {
  const button = ([command, symbol]) => html` <button type="button" class="small" title=${OFFERS[command][1](symbol)}
    @click=${() => send(command, symbol)}>${OFFERS[command][0]}</button>`;
  render(repeat(bannersOf(store, link, Date.now()), (banner) => banner.key, ({ tone, text, clock, command }) => html`
    <p class="banner" data-tone=${tone}>${text}${clock ? html` <span class="banner-clock" aria-hidden="true">${clock}</span>` : nothing}${command ? button(command) : nothing}</p>`),
  byId("banners"));
}
