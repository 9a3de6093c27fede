// The finished trades: which are shown is chosen here, and listed, filtered, sorted and added up by the server.

import * as format from "../format.js";
import * as list from "../trade-list.js";
import { url } from "../urls.js";
import { repeat } from "../vendor/lit-html/directives/repeat.js";
import { live } from "../vendor/lit-html/directives/live.js";
import { html, nothing } from "../vendor/lit-html/lit-html.js";
import { ClosedTrades, scopes } from "./closed-trades.js";
import { whyNoTrade } from "./funnel.js";

const TYPED_MS = 200; // after the last letter of a search

const decisionLink = (origin) => `#decision=${encodeURIComponent(origin)}`;

export class TradesPanel extends ClosedTrades {
  constructor(container) {
    super(container);
    this.view = list.START;
    this.shown = ""; // what else the table depends on
    this.empty = "";
  }

  update(store) {
    const empty = whyNoTrade(store);
    const shown = `${format.timeZone()} ${empty}`;
    if (!this.follow(store) && shown === this.shown) return; // ten times a second, and a hundred rows
    [this.shown, this.empty] = [shown, empty];
    this.draw();
  }

  path() {
    return `api/trades?${list.parameters(this.view)}`;
  }

  look(view) {
    this.view = view;
    this.ask();
  }

  filter(name, value) {
    this.look({ ...this.view, [name]: value, offset: 0 });
  }

  template() {
    const { view, told: page } = this;
    const rows = page?.rows ?? [];
    return html`
      <div class="panel-head">
        <h2 id="trades-title" tabindex="-1">Trades</h2>
        ${scopes("trades-scope", view.scope, (scope) => this.look({ ...view, scope, offset: 0 }))}
        <a class="small button" id="trades-csv" href=${url(`api/trades.csv?${list.parameters(view, false)}`)} download
          title="All trades that pass the filters, in this order, with the columns of “microbot trades”.">CSV</a>
      </div>
      ${this.filters(page)}
      <dl class="totals" aria-label="Totals of the trades listed" aria-live="off">
        ${(page ? list.totals(page.totals) : []).map(([name, text, tone]) => html`<div><dt>${name}</dt><dd class=${tone}>${text}</dd></div>`)}
      </dl>
      ${this.trouble()}
      <div class="scroll" tabindex="0" role="region" aria-labelledby="trades-title" @keydown=${step}>
        <table class="trades">
          <thead><tr>${list.COLUMNS.map((column) => this.head(column))}</tr></thead>
          <tbody id="trade-rows">${repeat(rows, (trade) => `${trade.origin} ${trade.exit_ts}`, (trade) => this.row(trade, page.day))}</tbody>
        </table>
        ${rows.length ? nothing : html`<p class="empty" id="trades-empty">${this.whyEmpty(page)}</p>`}
      </div>
      ${this.pager(page)}`;
  }

  filters(page) {
    const { view } = this;
    const choice = (name, label, options) => html`
      <label>${label}
        <select id="trades-${name}" .value=${live(view[name])} @change=${(event) => this.filter(name, event.target.value)}>
          <option value="">all</option>
          ${options.map(([value, text]) => html`<option value=${value} ?selected=${view[name] === value}>${text}</option>`)}
        </select>
      </label>`;
    const known = (name, found) => [...new Set([...found, view[name]].filter(Boolean))].map((value) => [value, value]);
    return html`
      <form class="filters" role="search" aria-label="Filter the trades" @submit=${(event) => event.preventDefault()}>
        ${choice("symbol", "Symbol", known("symbol", page?.symbols ?? []))}
        ${choice("side", "Side", [["LONG", "LONG"], ["SHORT", "SHORT"]])}
        ${choice("reason", "Reason", known("reason", page?.reasons ?? []))}
        ${choice("result", "Result", list.RESULTS)}
        <label class="sort-by">Sort
          <select id="trades-sort" .value=${live(`${view.sort} ${view.order}`)} @change=${(event) => this.sortBy(event.target.value)}>
            ${list.COLUMNS.flatMap(([name, label]) => ["desc", "asc"].map((order) => html`
              <option value="${name} ${order}" ?selected=${view.sort === name && view.order === order}>${label} ${order === "desc" ? "↓" : "↑"}</option>`))}
          </select>
        </label>
        <label class="text">Text
          <input id="trades-text" type="search" maxlength="80" autocomplete="off" spellcheck="false" placeholder="symbol, reason, decision" .value=${live(view.text)} @input=${(event) => this.typed(event.target.value)}>
        </label>
        ${list.isFiltered(view) ? html`<button type="button" class="small" id="trades-clear" @click=${() => this.look({ ...list.START, scope: view.scope, sort: view.sort, order: view.order })}>Clear</button>` : nothing}
      </form>`;
  }

  typed(text) {
    this.view = { ...this.view, text, offset: 0 };
    clearTimeout(this.typing);
    this.typing = setTimeout(() => this.look(this.view), TYPED_MS);
  }

  sortBy(chosen) {
    const [sort, order] = chosen.split(" ");
    this.look({ ...this.view, sort, order, offset: 0 });
  }

  head([name, label, number, title]) {
    const by = this.view.sort === name;
    const order = by ? (this.view.order === "asc" ? "ascending" : "descending") : "none";
    return html`<th scope="col" class=${number ? "n" : ""} aria-sort=${order}>
      <button type="button" data-sort=${name} title=${title || nothing} @click=${() => this.look(list.sorted(this.view, name))}>${label}<span aria-hidden="true">${by ? (this.view.order === "asc" ? " ↑" : " ↓") : ""}</span></button>
    </th>`;
  }

  row(trade, day) {
    const link = decisionLink(trade.origin);
    const title = `${format.instant(trade.exit_ts)}: ${format.exitReason(trade.exit_reason)}. Click for all that is known of it.`;
    return html`<tr class=${list.resultOf(trade)} title=${title} @click=${(event) => open(event, link)}>${list.COLUMNS.map(([name, label, number]) => {
      const text = list.cell(trade, name, day);
      const className = `${number ? "n " : ""}c-${name} ${name === "symbol" || name === "pnl" ? name : ""}`;
      if (name === "exit_ts") return html`<td class=${className} data-label=${label}><a href=${link} data-origin=${trade.origin}>${text}</a></td>`;
      return html`<td class=${className} data-label=${label} title=${name === "run" ? this.started(trade.run) : nothing}>${text}</td>`;
    })}</tr>`;
  }

  started(run) {
    const ts = this.told.started[String(run)];
    return ts ? `Session ${run} began at ${format.instant(ts)}` : nothing;
  }

  whyEmpty(page) {
    if (!page) return this.problem ? "" : "loading…";
    const { view } = this;
    if (list.isFiltered(view) && page.in_scope) return `none of ${format.count(page.in_scope)} trades passes these filters`;
    if (view.scope === "all") return "the journal holds no trade of this account yet";
    return this.empty;
  }

  pager(page) {
    if (!page) return nothing;
    const { offset } = this.view;
    const { trades } = page.totals;
    const more = offset + list.PAGE < trades;
    const to = (place) => () => this.look({ ...this.view, offset: Math.max(0, place) });
    const rest = page.left_out ? html`<span class="muted">${format.count(page.left_out)} older trades are in the journal alone: “microbot trades” lists them.</span>` : nothing;
    if (!offset && !more) return html`<p class="pager">${rest}</p>`;
    return html`<p class="pager">
      <button type="button" class="small" ?disabled=${!offset} @click=${to(offset - list.PAGE)}>Previous</button>
      <span>${list.shownOf(offset, page.rows.length, trades)}</span>
      <button type="button" class="small" id="trades-next" ?disabled=${!more} @click=${to(offset + list.PAGE)}>Next</button>${rest}
    </p>`;
  }
}

function open(event, link) {
  if (event.target.closest("a") || getSelection()?.toString()) return; // a link does it by itself; text is being copied
  location.hash = link;
}

/** Go from row to row with the arrow keys. */
function step(event) {
  const by = { ArrowDown: 1, ArrowUp: -1 }[event.key];
  const links = [...event.currentTarget.querySelectorAll("a[data-origin]")];
  const at = links.indexOf(document.activeElement);
  if (!by || (at < 0 && by < 0)) return;
  const next = links[at + by];
  if (!next) return;
  event.preventDefault();
  next.focus();
}
