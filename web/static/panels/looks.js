// Signals and bursts, and what became of them, up to the end of the trade.

import * as format from "../format.js";
import { KINDS, looksOf, outcomeWords } from "../standing.js";
import { repeat } from "../vendor/lit-html/directives/repeat.js";
import { html, nothing, render } from "../vendor/lit-html/lit-html.js";
import { byId } from "./dom.js";
import { PLAIN } from "./gauges.js";

const KIND_WORDS = {
  all: ["All", "Every signal, and every burst that gave none"],
  entered: ["Filled", "Signals whose entry was filled, at least in part"],
  unfilled: ["Not filled", "Approved signals whose entry is under way, or ended without a fill"],
  refused: ["Refused", "Signals that the risk check refused"],
  bursts: ["Bursts", "Bursts that gave no signal"],
};

let kind = "all";

const readOff = (one) => {
  const value = PLAIN.has(one.bound) ? format.measured(one.value) : `${format.counted(one.value, one.unit)}${format.unitOf(one.unit)} (${format.wanted(one)})`;
  return `${format.words(one.label ?? one.name)} ${value}`;
};

function titleOf(look) {
  const at = format.instant(look.ts);
  if (look.burst) return `${at}: ${look.reason}`;
  const { outcome } = look;
  const then = outcome.ts > look.ts ? `; ${outcome.stage} at ${format.time(outcome.ts)}` : "";
  return `${at}: decision ${look.decision_id}${then}${look.reason ? `, ${look.reason}` : ""}\n${look.readings.map(readOff).join(", ")}`;
}

function outcome(look) {
  if (look.burst) return html`<span class="why">burst of ${look.ticks}: ${format.reason(look.reason)}</span>`;
  const [text, tone, more] = outcomeWords(look);
  return html`<b class=${tone}>${text}</b>${more ? html` <span class="muted">(${more})</span>` : nothing}`;
}

/** Draw the list; `again` is called when another kind is chosen. */
export function drawLooks(store, again) {
  const looks = looksOf(store, kind);
  const choose = (event) => {
    kind = event.currentTarget.value;
    again();
  };
  render(KINDS.map((one) => html`<button type="button" class="small" value=${one} title=${KIND_WORDS[one][1]}
    aria-pressed=${String(one === kind)} @click=${choose}>${KIND_WORDS[one][0]}</button>`), byId("looks-kinds"));
  const empty = byId("looks-empty");
  empty.hidden = looks.length > 0;
  empty.textContent = kind === "all" ? "no burst yet" : "none of this kind";
  render(repeat(looks, (look) => look.key, (look) => html`<tr title=${titleOf(look)}>
    <td class="muted">${format.time(look.ts)}</td><td class="symbol">${look.symbol}</td><td class="muted">${look.side}</td>
    <td class="wide">${outcome(look)}</td></tr>`), byId("look-rows"));
}
