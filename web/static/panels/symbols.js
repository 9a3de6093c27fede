// The symbols to choose from: a row of a few, a list with a search of many.

import * as format from "../format.js";
import { movement, Order, SLIM, trouble } from "../ranking.js";
import { whySentence } from "../standing.js";
import { repeat } from "../vendor/lit-html/directives/repeat.js";
import { html, nothing, render } from "../vendor/lit-html/lit-html.js";
import { byId } from "./dom.js";

const order = new Order();
let sought = "";
let redraw = () => {};
let inSight = ""; // the symbol that the list was scrolled to last

const tabs = () => /** @type {HTMLElement[]} */ ([...document.querySelectorAll('#tabs [role="tab"]')]);

export function drawTabs(store, selected, select) {
  redraw = () => drawTabs(store, selected, select);
  const box = byId("tabs");
  const many = store.symbols.size > SLIM;
  if (!many) sought = "";
  const names = order.of(store.symbols, store.positions).filter((name) => name.toUpperCase().includes(sought));
  const reached = names.includes(selected) ? selected : names[0]; // with the Tab key
  box.classList.toggle("many", many);
  render(html`
    ${many ? search(names.length, store.symbols.size) : nothing}
    <div class="tab-list" role="tablist" aria-label="Symbols" aria-orientation=${many ? "vertical" : "horizontal"}>
      ${repeat(names, (name) => name, (name) => entry(store, store.symbols.get(name), name === selected, name === reached, select))}
    </div>
    ${many && !names.length ? html`<p class="muted">no symbol with “${sought}” in its name</p>` : nothing}
  `, box);
  if (many && selected !== inSight) bringIntoSight(box, selected);
}

/** Scroll the list, and nothing but the list, to a symbol that was chosen elsewhere. */
function bringIntoSight(box, name) {
  const list = box.querySelector(".tab-list");
  const tab = list.querySelector('[aria-selected="true"]')?.getBoundingClientRect();
  if (!tab) return; // it is not among those that are sought
  inSight = name;
  const { top, bottom } = list.getBoundingClientRect();
  if (tab.top < top) list.scrollTop -= top - tab.top;
  else if (tab.bottom > bottom) list.scrollTop += tab.bottom - bottom;
}

const search = (found, count) => html`
  <div class="tab-search">
    <input id="symbol-search" type="search" placeholder="Symbol ( / )" aria-label="Search a symbol" autocomplete="off" spellcheck="false"
      .value=${sought} @input=${(event) => { sought = event.target.value.trim().toUpperCase(); redraw(); }}>
    <span class="muted">${sought ? `${found} of ${count}` : `${count} symbols`}</span>
  </div>`;

function entry(store, symbol, isSelected, isReached, select) {
  const position = store.positions.get(symbol.name);
  const wrong = trouble(symbol, store);
  const moved = movement(symbol);
  const held = position ? `${position.side} position, ${format.signedMoney(position.open_profit)}` : "";
  return html`
    <button class="tab" type="button" role="tab" aria-controls="panel" aria-selected=${String(isSelected)} tabindex=${isReached ? 0 : -1}
      title=${[symbol.name, held, wrong ? `${wrong.word}${wrong.why ? `: ${wrong.why}` : ""}` : "", symbol.whole ? whySentence(symbol, store, Date.now()) : ""].filter(Boolean).join("\n")}
      data-symbol=${symbol.name} @click=${() => select(symbol.name)}>
      <span class="name">${symbol.name}</span>
      ${wrong ? html`<span class="failed" data-tone=${wrong.tone} data-shape=${wrong.shape}>${wrong.word}</span>` : nothing}
      ${position ? html`<span class="held ${format.tone(position.open_profit)}"><span aria-label=${position.side}>${position.side === "LONG" ? "▲" : "▼"}</span> ${format.signedMoney(position.open_profit)}</span>` : nothing}
      <span class="last">${symbol.price === null ? "" : format.price(symbol.price)}</span>
      <span class="moved ${format.tone(moved)}" title="Since the session's first tick">${symbol.price === null ? "" : format.signedPercent(moved)}</span>
    </button>`;
}

/** Rows and columns that a key steps over; in a row, and with the list wrapped into columns. */
function step(key, columns) {
  return { ArrowRight: 1, ArrowLeft: -1, ArrowDown: columns, ArrowUp: -columns }[key] ?? 0;
}

function columns() {
  const shown = tabs();
  const first = shown[0]?.offsetTop;
  const below = shown.findIndex((tab) => tab.offsetTop !== first);
  return below < 0 ? Math.max(1, shown.length) : below;
}

/** Let keys choose: arrows go from symbol to symbol, in a row they choose at once; `/` begins a search, Enter ends it. */
export function listenForKeys(select) {
  const box = byId("tabs");
  const hold = (held) => { order.held = held; };
  box.addEventListener("pointerenter", () => hold(true));
  box.addEventListener("pointerleave", () => hold(box.contains(document.activeElement)));
  box.addEventListener("focusin", () => hold(true));
  box.addEventListener("focusout", () => hold(box.matches(":hover")));
  box.addEventListener("keydown", (event) => {
    const target = /** @type {HTMLElement} */ (event.target);
    const shown = tabs();
    if (target.id === "symbol-search") {
      if (event.key === "ArrowDown") shown[0]?.focus();
      else if (event.key === "Enter" && shown.length) select(shown[0].dataset.symbol);
      else if (event.key !== "Escape") return;
      if (event.key !== "ArrowDown") {
        sought = "";
        redraw();
        target.blur();
      }
      event.preventDefault();
      return;
    }
    const many = box.classList.contains("many");
    const by = step(event.key, many ? columns() : 1);
    if (!by || !shown.length) return;
    event.preventDefault();
    const at = shown.indexOf(/** @type {HTMLElement} */ (target.closest('[role="tab"]')));
    if (many && (at + by < 0 || at + by >= shown.length)) {
      if (by < 0) byId("symbol-search").focus();
      return;
    }
    const next = shown[(at + by + shown.length) % shown.length];
    next.focus();
    if (!many) select(next.dataset.symbol);
  });
}
