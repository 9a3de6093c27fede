// The mock exchange's switches: what is made to go wrong, so that one sees the bot survive it. Only where the bot has one.

import { html, nothing, render } from "../vendor/lit-html/lit-html.js";
import { live } from "../vendor/lit-html/directives/live.js";
import { grouped, summary, switchedOn } from "../inside.js";
import { url } from "../urls.js";
import { words } from "../format.js";

const LOOK_MS = 2000; // between two looks at how the exchange is, while the panel is open
const ANSWER_MS = 8000;
const SPEEDS = [1, 10, 50, 200];
const SPEED = "";

export class MockExchange {
  constructor(section, store) {
    this.section = section;
    this.store = store;
    this.told = null; // how the exchange is
    this.drafts = new Map(); // what was typed and is not in force, by the fault's name, or SPEED
    this.said = "";
    this.tone = "";
    this.open = false;
    setInterval(() => {
      if (this.open && !document.hidden) this.look();
    }, LOOK_MS);
  }

  /** Ask how the exchange is; the panel is hidden where there is none. */
  async look() {
    try {
      const answer = await fetch(url("api/exchange"), { signal: AbortSignal.timeout(ANSWER_MS), cache: "no-store" });
      if (!answer.ok) return;
      this.told = (await answer.json()).exchange;
    } catch {
      return; // the page says so itself when its server is away
    }
    this.draw();
  }

  async send(control, body, what) {
    this.say(`${what}: sending…`);
    try {
      const answer = await fetch(url(`api/exchange/${control}`), {
        method: "POST",
        headers: { "Content-Type": "application/json" },
        body: JSON.stringify(body),
        signal: AbortSignal.timeout(ANSWER_MS),
      });
      const told = await answer.json();
      if (answer.ok) this.say(`${what}: done.`);
      else this.say(`${what}: ${told.error}`, "bad");
    } catch {
      this.say(`${what}: no answer from the dashboard's server.`, "bad");
    }
    await this.look();
  }

  say(text, tone = "") {
    this.said = text;
    this.tone = tone;
    this.draw();
  }

  /** Turn one fault on or off; the others stay as they are. */
  turn(fault, on, value) {
    const specs = switchedOn(this.told.faults);
    if (on) {
      specs.set(fault.name, value);
      this.drafts.delete(fault.name);
    } else {
      this.drafts.set(fault.name, String(value)); // it is there when the fault is turned on again
      specs.delete(fault.name);
    }
    return this.send("faults", { faults: [...specs].map(([name, number]) => `${name}:${number}`) }, `${words(fault.name)} ${on ? "on" : "off"}`);
  }

  run(speed) {
    this.drafts.delete(SPEED);
    return this.send("speed", { speed: Number(speed) }, `Speed ${speed}×`);
  }

  async heal() {
    await this.send("halts", { symbols: [] }, "Heal everything");
    await this.send("faults", { faults: [] }, "Heal everything");
  }

  draw() {
    this.section.hidden = !this.told;
    if (!this.told) return;
    const { told } = this;
    const ill = Boolean(told.trouble || told.faults?.length || told.halted?.length);
    render(html`
      <details @toggle=${(event) => { this.open = event.target.open; if (this.open) this.look(); }}>
        <summary><h2 id="exchange-title">Mock exchange</h2> <span class="chip" data-tone=${ill ? "warn" : "good"}>${summary(told)}</span></summary>
        <p class="said" role="status" data-tone=${this.tone}>${this.said}</p>
        ${told.trouble ? nothing : this.body(told)}
      </details>`, this.section);
  }

  body({ faults, known, halted, speed, rehearsal }) {
    const on = switchedOn(faults);
    return html`
      <p class="muted">What is switched on here happens to the bot as it would at a venue: watch how it copes. No money is at risk.</p>
      <div class="exchange-row">
        <button type="button" class="small" @click=${() => this.heal()} title="Turn every fault off, and resume every halted stock.">Heal everything</button>
        ${rehearsal
    ? html`<span class="muted">${speed}× (fixed in a rehearsal)</span>`
    : html`
          <span>Speed</span>
          ${SPEEDS.map((each) => html`<button type="button" class="small" aria-pressed=${String(each === speed)} title="${each} seconds of the market in a real one."
            @click=${() => this.run(each)}>${each}×</button>`)}
          <label class="other-speed">or <input type="number" min="0.1" max="1000" step="any" .value=${live(this.drafts.get(SPEED) ?? String(speed))} aria-label="Speed"
            @input=${(event) => this.drafts.set(SPEED, event.target.value)} @change=${(event) => this.run(event.target.value)}>×</label>`}
      </div>
      <fieldset><legend>Halts</legend>
        ${[...this.store.symbols.keys()].map((symbol) => html`
          <label class="fault" title="No trades in ${symbol}, as at a venue's trading halt."><input type="checkbox" role="switch" .checked=${live(halted.includes(symbol))}
            @change=${(event) => this.send("halts", { symbols: event.target.checked ? [...halted, symbol] : halted.filter((each) => each !== symbol) }, `Halt of ${symbol} ${event.target.checked ? "on" : "off"}`)}> <b>${symbol}</b></label>`)}
      </fieldset>
      ${grouped(known).map(([heading, list]) => html`<fieldset><legend>${heading}</legend>
        ${heading === "Orders" && !rehearsal ? html`<p class="no-use">This bot fills its orders itself and sends none to the exchange, so these do nothing. Start it with --venue alpaca --rehearse to see them.</p>` : nothing}
        ${list.map((fault) => this.row(fault, on))}</fieldset>`)}`;
  }

  row(fault, on) {
    const isOn = on.has(fault.name);
    const value = this.drafts.get(fault.name) ?? on.get(fault.name) ?? fault.default;
    const bare = fault.least === fault.most; // its parameter has no meaning
    return html`
      <div class="fault" data-on=${String(isOn)}>
        <label><input type="checkbox" role="switch" .checked=${live(isOn)} @change=${(event) => this.turn(fault, event.target.checked, Number(value))}> <b>${words(fault.name)}</b></label>
        <span class="effect">${fault.effect}</span>
        ${bare ? nothing : html`<label class="parameter"><input type="number" step="any" min=${fault.least} max=${fault.most} .value=${live(String(value))}
          @input=${(event) => this.drafts.set(fault.name, event.target.value)} @change=${(event) => isOn && this.turn(fault, true, Number(event.target.value))}
          aria-label="${words(fault.name)}, ${fault.parameter}"><span>${fault.parameter}</span></label>`}
      </div>`;
  }
}
