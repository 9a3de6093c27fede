// The account at a glance: the day's profit beside its limit, why the symbol that is shown is not entered, and every
// open position.

import * as format from "../format.js";
import { dayProfit, isCurrent, isSilent, timeStop, waitingFor, whySentence } from "../standing.js";
import { repeat } from "../vendor/lit-html/directives/repeat.js";
import { html, nothing, render } from "../vendor/lit-html/lit-html.js";
import { byId } from "./dom.js";

/** Draw the day's profit, and how much of what may be lost today is lost. */
export function drawDay(store) {
  const day = dayProfit(store);
  if (!day) return;
  const { profit, realised, unrealised, limit, left, used, fraction, start } = day;
  const halted = store.state.state === "HALTED" && store.state.reason.startsWith("daily loss limit");
  const then = halted
    ? `The limit of ${format.signedMoney(limit)} was reached: positions were closed, no entries until the next trading day.`
    : `${format.money(left)} left until ${format.money(limit)}: there positions are closed, and no entries until the next trading day.`;
  const share = start ? format.signedPercent(profit / start) : "";
  render(html`
    <h2>Day P/L <span class="scope">today, with open profit</span></h2>
    <p class="figure ${format.tone(profit)}" id="daily-pnl">${format.signedMoney(profit)} <small>${share}</small></p>
    <p class="detail" id="daily-pnl-detail">
      <span title="Profit of today's finished trades, after fees">realised <b class=${format.tone(realised)}>${format.signedMoney(realised)}</b></span>
      <span title="Profit of open positions at the last price, without fees">unrealised <b class="open-profit ${format.tone(unrealised)}">${format.signedMoney(unrealised)}</b></span>
    </p>
    <div class="day-bar" role="meter" aria-label="Used of the daily loss limit" aria-valuemin="0" aria-valuemax="100"
      aria-valuenow=${Math.round(used * 100)} aria-valuetext=${`${Math.round(used * 100)} % used, ${then}`}
      data-level=${used >= 1 || halted ? "over" : used >= 0.75 ? "near" : ""}><i .style=${`width: ${(used * 100).toFixed(1)}%`}></i></div>
    <p class="detail" id="day-limit" title=${`The daily loss limit is ${format.percent(fraction)} of the day's first equity, ${format.money(start)}`}>${then}</p>`,
  byId("day"));
}

/** Draw the sentence of the symbol that is shown. */
export function drawWhy(store, symbol, link) {
  const now = Date.now();
  const current = isCurrent(link, now);
  const text = whySentence(symbol, store, current ? now : link.heardAt, current) || waitingFor(symbol, store);
  const scope = current || !store.loaded ? "right now" : `as of ${format.time(store.now)}`;
  const code = symbol?.why?.code ?? "";
  render(html`<h2>${symbol ? symbol.name : "Entries"} <span class="scope">${scope}</span></h2>
    <p class="why-sentence" id="why" data-code=${code} data-near=${String(Boolean(symbol?.why?.near))} title=${code}>${text}</p>`,
  byId("why-card"));
}

function clockOf(position, store, current) {
  const stop = timeStop(position, store.now);
  if (!stop) return html`<span class="muted" title="None of its exits waits for a time">none</span>`;
  const title = `Time until the ${stop.by === "time stop" ? "time stop" : "fallback, which closes it even if its exits do not"}`;
  if (!current) return html`<span class="muted" title=${`${title}; the page is not connected, so this is when, and nothing is counted down`}>at ${format.timeBeside(stop.due, store.now)}</span>`;
  const text = stop.left > 0 ? format.countdown(stop.left) : "due";
  const share = Math.min(1, stop.left / (stop.whole || 1));
  return html`<span class="clock" title=${title}><b>${text}</b>${stop.by === "fallback" ? html`<small class="muted"> fallback</small>` : nothing}
    <i .style=${`transform: scaleX(${share.toFixed(3)})`}></i></span>`;
}

const flatOf = ({ flat_candles: seen, flat_candles_of: of }) => (of == null ? "–" : `${seen} of ${of}`);

/** Draw a row for each open position; a click on one shows its symbol. */
export function drawPositions(store, selected, select, link) {
  const positions = [...store.positions.values()].sort((a, b) => a.symbol.localeCompare(b.symbol));
  const now = Date.now();
  const current = isCurrent(link, now);
  const row = (position) => {
    const { symbol, side, quantity, entry_price: entry, last_price: mark, open_profit: profit, guard } = position;
    const tone = format.tone(profit);
    const old = isSilent(store.symbols.get(symbol), now) || !current;
    return html`<tr data-symbol=${symbol} aria-current=${String(symbol === selected)} @click=${() => select(symbol)}>
      <th scope="row"><button type="button" class="link" title=${`Show ${symbol}`}>${symbol}</button></th>
      <td class="way"><span aria-hidden="true">${side === "LONG" ? "▲" : "▼"}</span> ${side}</td>
      <td class="n shares">${format.quantity(quantity)}</td>
      <td class="n wide-only">${format.price(entry)}</td>
      <td class="n wide-only ${old ? "old" : ""}" title=${old ? "The last price is old" : "The last price"}>${format.price(mark)}</td>
      <td class="n pnl ${tone} ${old ? "old" : ""}">${format.signedMoney(profit)}</td>
      <td class="n pct ${tone} ${old ? "old" : ""}">${format.signedPercent(profit / (entry * quantity || 1))}</td>
      <td class="n time">${clockOf(position, store, current)}</td>
      <td class="n flat" title="Flat one-second candles in a row so far, of those that close it">${flatOf(position)}</td>
      <td class="guard wide-only" title=${guard ? `Guarded by ${guard}` : ""}>${guard || "–"}</td></tr>`;
  };
  byId("positions-table").hidden = !positions.length;
  render(repeat(positions, (position) => position.symbol, row), byId("position-rows"));
  const empty = byId("positions-empty");
  empty.hidden = positions.length > 0;
  const total = positions.reduce((sum, { open_profit: profit }) => sum + profit, 0);
  render(positions.length ? html`${format.count(positions.length)} open, <b class=${format.tone(total)}>${format.signedMoney(total)}</b> unrealised` : nothing, byId("positions-aside"));
}
