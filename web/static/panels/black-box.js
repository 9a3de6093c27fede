// The black box: all that is known of one decision, in a dialog that an address opens.

import { ask } from "../ask.js";
import { barsOfTicks } from "../chart/bars.js";
import { PriceChart } from "../chart/price-chart.js";
import * as format from "../format.js";
import * as story from "../story.js";
import { html, nothing, render } from "../vendor/lit-html/lit-html.js";

const AROUND_S = 3; // seconds beside the trade that the chart shows at first

export class BlackBox {
  /** `closed()` is called when it was closed: the address is another again. */
  constructor(dialog, closed) {
    this.dialog = dialog;
    this.chart = null;
    this.forget();
    dialog.addEventListener("close", () => {
      const { origin } = this;
      this.forget();
      closed();
      // The row may be another element by now; if it is gone, focus the list's head.
      const row = [...document.querySelectorAll("a[data-origin]")].find((link) => link.dataset.origin === origin);
      (row ?? document.getElementById("trades-title"))?.focus();
    });
    dialog.addEventListener("click", (event) => {
      if (event.target === dialog) dialog.close(); // beside it
    });
  }

  forget() {
    this.asking?.abort();
    this.chart?.close();
    this.chart = null;
    this.origin = "";
    this.told = null;
    this.atExit = null;
    this.problem = "";
    this.exitProblem = "";
    this.copied = false;
  }

  /** Open on a decision, or on none: then it closes. */
  async show(origin) {
    if (origin === this.origin) return;
    if (!origin) {
      this.dialog.close();
      return;
    }
    this.forget();
    this.origin = origin;
    this.draw();
    if (!this.dialog.open) this.dialog.showModal();
    const asking = this.asking = new AbortController();
    const id = encodeURIComponent(origin);
    try {
      this.told = await ask(`api/decision?id=${id}`, asking.signal);
    } catch (problem) {
      if (asking.signal.aborted) return;
      this.problem = problem.message;
    }
    if (asking.signal.aborted) return;
    this.draw();
    if (!this.told || !story.summary(this.told).exit) return;
    this.drawChart();
    try {
      this.atExit = (await ask(`api/decision?id=${id}&at_exit=true`, asking.signal)).at_exit;
    } catch (problem) {
      if (asking.signal.aborted) return;
      this.exitProblem = problem.message;
    }
    if (!asking.signal.aborted) this.draw();
  }

  draw() {
    render(this.template(), this.dialog);
  }

  drawChart() {
    const { told } = this;
    const container = this.dialog.querySelector("#box-chart");
    const ticks = told.ticks?.ticks ?? [];
    if (!container || ticks.length < 2) return;
    const { entry, exit, symbol } = story.summary(told);
    this.chart = new PriceChart(container, { note: this.dialog.querySelector("#box-chart-note") });
    this.chart.show({ symbol, width: 0.25, bars: barsOfTicks(ticks, 0.25) });
    this.chart.marks(story.marks(told));
    this.chart.lines([{ key: "entry", price: entry.price, title: "entry" }, { key: "exit", price: exit.price, title: "exit", dotted: true }]);
    this.chart.lookAt(entry.ts / 1e9 - AROUND_S, exit.ts / 1e9 + AROUND_S);
  }

  template() {
    const { told } = this;
    return html`
      <div class="box">
        <header class="box-head">
          ${told ? this.title(story.summary(told)) : html`<h2 id="box-title">Decision ${this.origin}</h2>`}
          <div class="box-buttons">
            <button type="button" class="small" id="box-copy" @click=${() => this.copy()} title="Copy an address that opens this again.">${this.copied ? "Copied" : "Copy link"}</button>
            <button type="button" class="small" id="box-close" @click=${() => this.dialog.close()} title="Close (Esc)">Close</button>
          </div>
        </header>
        ${this.problem ? html`<p class="problem" role="alert">${this.problem}</p>` : nothing}
        ${told ? this.body(told) : this.problem ? nothing : html`<p class="empty">reading the journal…</p>`}
      </div>`;
  }

  title({ symbol, side, quantity, pnl, reason, entry, exit }) {
    const held = exit ? `, held ${((exit.ts - entry.ts) / 1e9).toFixed(1)} s` : "";
    return html`<div>
      <h2 id="box-title">${side} ${quantity === null ? "" : format.quantity(quantity)} ${symbol}
        ${pnl === null ? nothing : html`<span class="box-pnl ${format.tone(pnl)}">${format.signedMoney(pnl)}</span>`}</h2>
      <p class="muted">${exit ? `${format.exitReason(reason)} (${reason})${held}, closed at ${format.instant(exit.ts)}` : "no trade came of it, or it is still open"} · decision <code>${this.origin}</code></p>
    </div>`;
  }

  body(told) {
    const { exit } = story.summary(told);
    const log = story.logLines(told);
    const missing = told.missing ?? [];
    return html`
      ${exit ? html`<div class="box-chart-frame" ?hidden=${(told.ticks?.ticks.length ?? 0) < 2}><div id="box-chart" role="img" aria-label="Price around the trade"></div><p class="empty chart-note" id="box-chart-note" hidden></p></div>` : nothing}
      ${told.ticks?.every > 1 ? html`<p class="muted">It was long: of every ${told.ticks.every} ticks one is kept.</p>` : nothing}
      <div class="box-parts">
        <section aria-labelledby="box-readings"><h3 id="box-readings">What the conditions read</h3>${this.readings(told, exit)}</section>
        <section aria-labelledby="box-costs"><h3 id="box-costs">From the trigger to what was left</h3>${costs(told, exit)}</section>
      </div>
      <section aria-labelledby="box-events"><h3 id="box-events">Orders and executions</h3>${events(told)}</section>
      <section aria-labelledby="box-log"><h3 id="box-log">Log</h3>
        ${log.length ? html`<ol class="box-log">${log.map((line) => html`<li data-level=${line.level}><time>${format.timeMillis(line.ts)}</time> <span class="muted">${line.logger}</span> ${line.message}</li>`)}</ol>` : html`<p class="muted">no line of it</p>`}
      </section>
      ${missing.length ? html`<section aria-labelledby="box-missing"><h3 id="box-missing">Not known</h3><ul>${missing.map((sentence) => html`<li>${sentence}</li>`)}</ul></section>` : nothing}
      <p class="muted box-foot">The same in a terminal: <code>microbot explain ${this.origin}</code></p>`;
  }

  readings(told, exit) {
    const rows = story.readings(told, this.atExit);
    if (!rows.length) return html`<p class="muted">its signal carried no readings</p>`;
    const cell = (seen) => html`<td class="n ${seen && seen.passed !== null ? (seen.passed ? "met" : "unmet") : ""}">${seen ? `${seen.passed === null ? "" : seen.passed ? "✓ " : "× "}${seen.text}` : "–"}</td>`;
    const waiting = exit && !this.atExit && !this.exitProblem;
    return html`<table>
      <thead><tr><th scope="col">Condition</th><th scope="col" class="n">At the entry</th>${exit ? html`<th scope="col" class="n" id="box-exit-readings">At the exit</th>` : nothing}<th scope="col">Wanted for an entry</th></tr></thead>
      <tbody>${rows.map((row) => html`<tr><td>${format.words(row.name)}</td>${cell(row.entry)}${exit ? (waiting ? html`<td class="n muted">…</td>` : cell(row.exit)) : nothing}<td class="muted">${row.wanted}</td></tr>`)}</tbody>
    </table>
    ${waiting ? html`<p class="muted" role="status">At the exit: the session is decided again up to it…</p>` : nothing}
    ${this.exitProblem ? html`<p class="muted" id="box-exit-problem">At the exit: ${this.exitProblem}</p>` : nothing}`;
  }

  async copy() {
    const link = location.href;
    try {
      await navigator.clipboard.writeText(link);
      this.copied = true;
    } catch {
      this.problem = `The browser does not let a page copy here; the address is ${link}`;
    }
    this.draw();
  }
}

function costs(told, exit) {
  const lines = story.path(told);
  if (!lines.length) return html`<p class="muted">${exit ? "the price at one of its triggers is not known" : "there is no trade to count"}</p>`;
  return html`
    <dl class="waterfall">${lines.map(([name, money, title]) => html`<div title=${title}><dt>${name}</dt><dd class=${name === "Net" ? format.tone(money) : ""}>${money === null ? "not known" : format.signedMoney(money)}</dd></div>`)}</dl>
    <table>
      <thead><tr><th scope="col">Execution</th><th scope="col" class="n">Trigger</th><th scope="col" class="n">Paid</th><th scope="col" class="n">Spread</th><th scope="col" class="n">Slippage</th><th scope="col" class="n" title="From the trigger to the execution, by the venue's time">Took</th></tr></thead>
      <tbody>${story.executions(told).map((step) => html`<tr><td>${step.leg}, ${step.quantity}</td><td class="n" title="Middle of the quote at the ${step.trigger}">${step.from}</td><td class="n">${step.to}</td><td class="n">${step.spread}</td><td class="n">${step.slippage}</td><td class="n">${step.waited}</td></tr>`)}</tbody>
    </table>
    ${told.cost_path.missing.map((sentence) => html`<p class="muted">${sentence}</p>`)}`;
}

function events(told) {
  return html`<table class="box-events">
    <thead><tr><th scope="col">Time</th><th scope="col" class="n" title="After the first of them, by the venue's time">After</th><th scope="col">What</th><th scope="col">Detail</th><th scope="col">Order</th></tr></thead>
    <tbody>${story.events(told).map((line) => html`<tr><td class="muted" title=${format.instant(line.ts)}>${format.timeMillis(line.ts)}</td><td class="n muted">${line.after}</td><td>${line.kind}</td><td class="wide">${line.text}</td><td class="muted"><code>${line.id ?? ""}</code></td></tr>`)}</tbody>
  </table>`;
}
