// The figures of closed trades, of this session, today or all time, as the server computes them.

import { curve, figures, group, hours } from "../figures.js";
import * as format from "../format.js";
import { html, nothing, svg } from "../vendor/lit-html/lit-html.js";
import { ClosedTrades, scopes } from "./closed-trades.js";

const WIDE = 300;
const HIGH = 48;
/** @type {[string, string, (name: string) => string][]} */
const GROUPS = [["by_symbol", "Symbol", String], ["by_exit_reason", "Exit reason", String], ["by_hour", "Hour of the entry", (hour) => `${hour}:00`]];

export class FiguresPanel extends ClosedTrades {
  constructor(container) {
    super(container);
    this.scope = "session";
    this.equity = null;
    this.fees = null; // of the account: estimated, charged, and what that leaves
  }

  update(store) {
    const equity = store.metrics?.equity ?? null;
    this.fees = store.metrics?.fees ?? null;
    if (!this.follow(store) && equity === this.equity) return;
    this.equity = equity;
    this.draw();
  }

  path() {
    return `api/figures?scope=${this.scope}`;
  }

  choose(scope) {
    this.scope = scope;
    this.ask();
  }

  template() {
    const { told } = this;
    return html`
      <div class="panel-head">
        <h2 id="figures-title">Figures</h2>
        ${scopes("figures-scope", this.scope, (scope) => this.choose(scope))}
        <p class="aside" title="What the account is worth; open positions are in it at what they cost.${this.fees ? ` The account's ${feesOf(this.fees)}.` : ""}">Equity of closed trades <b id="equity">${this.equity === null ? "–" : format.money(this.equity)}</b></p>
      </div>
      ${this.trouble()}
      ${told ? this.body(told) : html`<p class="empty">loading…</p>`}`;
  }

  body(told) {
    return html`
      <dl class="figures" data-scope=${told.scope}>${figures(told).map((one) => html`
        <div title=${one.title}><dt>${one.name}</dt><dd class=${one.tone} id="figure-${one.key}">${one.text}</dd><dd class="detail">${one.detail || "\u00a0"}</dd></div>`)}
      </dl>
      <div class="sparks">${this.curve(told)}${this.hours(told)}</div>
      <details id="figures-groups"><summary>By symbol, exit reason and hour</summary>
        <div class="groups">${GROUPS.map(([key, label, name]) => this.group(told[key], label, name))}</div>
      </details>
      ${told.left_out ? html`<p class="muted">Without ${format.count(told.left_out)} older trades, which are in the journal alone.</p>` : nothing}`;
  }

  curve(told) {
    const drawn = curve(told.curve, WIDE, HIGH);
    if (!drawn) return html`<figure><figcaption>P/L, trade by trade</figcaption><p class="muted">two trades make a line</p></figure>`;
    return html`<figure><figcaption>P/L, trade by trade</figcaption>
      <svg viewBox="0 -2 ${WIDE} ${HIGH + 4}" preserveAspectRatio="none" role="img" aria-label=${drawn.said}>
        <title>${drawn.said}</title>
        <line class="zero" x1="0" x2=${WIDE} y1=${drawn.zero} y2=${drawn.zero}></line>
        <polyline class="curve ${format.tone(told.total_pnl)}" points=${drawn.points}></polyline>
      </svg></figure>`;
  }

  hours(told) {
    const bars = hours(told.by_hour);
    const traded = bars.filter((bar) => bar.tone || bar.share);
    const width = WIDE / 24;
    const said = traded.length ? `P/L by hour of the entry. ${traded.map((bar) => bar.said).join("; ")}.` : "No trade yet.";
    return html`<figure><figcaption>P/L by hour of the entry</figcaption>
      <svg viewBox="0 -2 ${WIDE} ${HIGH + 4}" preserveAspectRatio="none" role="img" aria-label=${said}>
        <line class="zero" x1="0" x2=${WIDE} y1=${HIGH / 2} y2=${HIGH / 2}></line>
        ${bars.map(({ hour, share, tone, said: title }) => svg`<rect class=${tone} x=${hour * width + 1} width=${width - 2} y=${share > 0 ? (HIGH / 2) * (1 - share) : HIGH / 2} height=${Math.max(tone ? 1 : 0, (HIGH / 2) * Math.abs(share))}><title>${title}</title></rect>`)}
      </svg>
      <p class="hours" aria-hidden="true"><span>0</span><span>6</span><span>12</span><span>18</span><span>24</span></p></figure>`;
  }

  group(found, label, name) {
    const rows = Object.entries(found).sort(([one], [other]) => (one < other ? -1 : 1)).map(([key, one]) => group(name(key), one));
    if (!rows.length) return nothing;
    return html`<table>
      <thead><tr><th scope="col">${label}</th><th scope="col" class="n">Trades</th><th scope="col" class="n">Won</th><th scope="col" class="n" title="After fees">P/L</th><th scope="col" class="n">Fees</th></tr></thead>
      <tbody>${rows.map((row) => html`<tr><td class="symbol" title=${row.name}>${row.name}</td><td class="n">${row.trades}</td><td class="n">${row.won}</td><td class="n ${row.tone}">${row.pnl}</td><td class="n">${row.fees}</td></tr>`)}</tbody>
    </table>`;
  }
}

function feesOf({ estimated, charged, residual }) {
  const said = `fees: ${format.money(estimated)} by estimate`;
  if (!charged) return `${said}, none charged yet`;
  return `${said}, ${format.money(charged)} charged, residual ${format.signedMoney(residual)}`;
}
