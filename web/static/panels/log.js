// The tail of the bot's log: filtered, followed, held still while one reads, each line unfolding to its fields.

import * as format from "../format.js";
import { html, nothing, render } from "../vendor/lit-html/lit-html.js";
import { repeat } from "../vendor/lit-html/directives/repeat.js";
import { decisionOf, fieldsOf, joined } from "../inside.js";
import { url } from "../urls.js";

const FOLLOW_MS = 1000;
const WAIT_MS = 300; // after a key, before the log is looked through

const shown = (value) => (typeof value === "string" ? value : JSON.stringify(value));

export class Log {
  constructor(section) {
    this.section = section;
    this.lines = []; // {line, number}, the oldest first
    this.next = 0;
    this.place = "";
    this.path = "";
    this.filter = { level: "INFO", event: "", symbol: "", text: "" };
    this.following = true;
    this.unfolded = new Set(); // numbers
    this.heldByScroll = false;
    this.open = false;
    this.busy = false;
    this.trouble = "";
    this.missed = false;
    this.asked = 0; // how often it was looked through from the end
    setInterval(() => {
      if (this.open && this.following && this.place && !document.hidden) this.read(this.place);
    }, FOLLOW_MS);
    this.draw();
  }

  /** Look the log through from its end. */
  start() {
    this.asked += 1;
    this.lines = [];
    this.unfolded.clear();
    this.missed = false;
    return this.read("", true);
  }

  async read(after, fresh = false) {
    if (this.busy && !fresh) return;
    this.busy = true;
    const { asked } = this;
    try {
      const query = new URLSearchParams({ ...this.filter, after });
      const answer = await fetch(`${url("api/log")}?${query}`, { cache: "no-store" });
      const told = await answer.json();
      if (asked !== this.asked) return; // another filter since
      if (!answer.ok) throw new Error(told.error);
      this.trouble = "";
      this.missed ||= Boolean(after) && told.missed;
      this.place = told.place;
      this.path = told.path;
      this.lines = joined(this.lines, told.lines, this.next);
      this.next += told.lines.length;
    } catch (problem) {
      if (asked === this.asked) this.trouble = problem instanceof TypeError ? "The dashboard's server does not answer." : problem.message;
    } finally {
      if (asked === this.asked) this.busy = false;
    }
    this.draw();
  }

  set(name, value) {
    this.filter[name] = value.trim();
    clearTimeout(this.typing);
    this.typing = setTimeout(() => this.start(), WAIT_MS);
  }

  follow(on) {
    this.following = on;
    this.draw();
    if (on && this.place) this.read(this.place);
  }

  /** Hold still while one reads further down, and go on at the top. */
  scrolled(top) {
    const held = top > 4;
    if (held === this.heldByScroll) return;
    this.heldByScroll = held;
    this.follow(!held);
  }

  unfold(number) {
    if (this.unfolded.has(number)) this.unfolded.delete(number);
    else {
      this.unfolded.add(number);
      this.following = false; // it is being read
    }
    this.draw();
  }

  draw() {
    render(html`
      <details @toggle=${(event) => { this.open = event.target.open; if (this.open) this.start(); }}>
        <summary><h2 id="log-title">Log</h2> <span class="aside" title=${this.path}>${this.path.split(/[\\/]/).at(-1)}</span></summary>
        <div class="filters" role="search">
          <label>Level <select @change=${(event) => this.set("level", event.target.value)}>
            ${["DEBUG", "INFO", "WARNING", "ERROR"].map((level) => html`<option ?selected=${level === this.filter.level}>${level}</option>`)}
          </select></label>
          <label>Event <input placeholder="trade, order.sent …" autocomplete="off" @input=${(event) => this.set("event", event.target.value)}></label>
          <label>Symbol <input class="short" autocomplete="off" @input=${(event) => this.set("symbol", event.target.value.toUpperCase())}></label>
          <label>Text <input type="search" autocomplete="off" @input=${(event) => this.set("text", event.target.value)}></label>
          <button type="button" class="small" aria-pressed=${String(this.following)} title="Show new lines as they are written."
            @click=${() => this.follow(!this.following)}>${this.following ? "Following" : "Held: follow again"}</button>
        </div>
        <p class="said" role="status" data-tone=${this.trouble ? "bad" : ""}>${this.trouble || (this.missed ? "Lines are missing here: the log was removed or cut." : "")}</p>
        <div class="scroll log-lines" tabindex="0" role="region" aria-labelledby="log-title" @scroll=${(event) => this.scrolled(event.target.scrollTop)}>
          <table><tbody>${repeat([...this.lines].reverse(), ({ number }) => number, ({ line, number }) => this.row(line, number))}</tbody></table>
          ${this.lines.length ? nothing : html`<p class="empty">${this.busy ? "looking…" : "no line matches"}</p>`}
        </div>
      </details>`, this.section);
  }

  row(line, number) {
    const ts = line.venue_ts || line.ts;
    const isOpen = this.unfolded.has(number);
    const decision = decisionOf(line);
    return html`
      <tr class="log-line" data-level=${line.level} @click=${() => this.unfold(number)}>
        <td class="muted" title=${format.instant(ts)}>${format.timeMillis(ts)}</td><td class="level">${line.level}</td>
        <td><button type="button" class="bare" aria-expanded=${String(isOpen)} title="Its fields">${line.event}</button></td><td class="wide">${line.message}</td>
      </tr>
      ${isOpen ? html`<tr class="log-fields"><td colspan="4"><dl>
        ${decision ? html`<div><dt>black box</dt><dd><a href="#decision=${encodeURIComponent(decision)}">decision ${decision}</a></dd></div>` : nothing}
        <div><dt>logger</dt><dd>${line.logger}</dd></div>
        ${fieldsOf(line).map(([name, value]) => html`<div><dt>${name}</dt><dd>${shown(value)}</dd></div>`)}
      </dl></td></tr>` : nothing}`;
  }
}
