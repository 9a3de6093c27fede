// What the panels of closed trades share: of which time they are, and that they are asked for again when some have come.

import { Refreshed } from "../ask.js";
import * as format from "../format.js";
import { SCOPES } from "../trade-list.js";
import { live } from "../vendor/lit-html/directives/live.js";
import { html, nothing, render } from "../vendor/lit-html/lit-html.js";

/** A panel that shows what the server answers to `path()`, by `template()`: each panel has its own. */
export class ClosedTrades {
  constructor(container) {
    this.container = container;
    this.told = null; // the newest answer
    this.problem = ""; // why there is no newer one
    this.version = ""; // of what was asked for
    this.refreshed = new Refreshed((told) => this.take({ told, problem: "" }), (problem) => this.take({ problem }));
  }

  /** @returns {string} */
  path() {
    throw new Error("not of this panel");
  }

  /** @returns {unknown} */
  template() {
    throw new Error("not of this panel");
  }

  take(found) {
    Object.assign(this, found);
    this.draw();
  }

  /** Ask again where the store says that trades have come, or another day. Returns whether that is so. */
  follow(store) {
    const day = store.now ? format.instant(store.now).slice(0, 10) : "";
    const version = `${store.ledger?.version} ${store.session?.started_ts} ${day}`;
    if (version === this.version) return false;
    if (this.version) this.refreshed.refresh();
    else this.refreshed.show(this.path());
    this.version = version;
    return true;
  }

  /** Ask for something else, at once. */
  ask() {
    this.refreshed.show(this.path());
    this.draw();
  }

  draw() {
    render(this.template(), this.container);
  }

  trouble() {
    return this.problem ? html`<p class="problem" role="alert">${this.problem} Trying again.</p>` : nothing;
  }
}

/** The switch between this session, today and all time. */
export function scopes(name, chosen, choose) {
  return html`<div class="scopes" role="radiogroup" aria-label="Of which time">${SCOPES.map(([value, label, title]) => html`
    <label title=${title}><input type="radio" name=${name} value=${value} .checked=${live(chosen === value)} @change=${() => choose(value)}><span>${label}</span></label>`)}
  </div>`;
}
