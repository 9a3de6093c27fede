// What can be done about the symbol that is shown alone: flatten, lock, unlock, restart of its strategy.

import * as format from "../format.js";
import { html, render } from "../vendor/lit-html/lit-html.js";
import { stateOf } from "./chains.js";
import { byId } from "./dom.js";

const OVER = new Set(["FAILED", "REMOVED"]);

/** How a symbol stands, in a sentence or two. */
export function standing(name, { lock, halted, chain, position }) {
  const said = [];
  if (halted) said.push(`${name} is halted: ${halted}.`);
  if (lock) said.push(`${name} is locked ${lock}: no entries.`);
  if (OVER.has(stateOf(chain))) said.push(`Its strategy ${stateOf(chain) === "FAILED" ? "failed" : "was removed"}${chain.slice(stateOf(chain).length)}.`);
  if (!said.length) said.push(`${name} is not locked.`);
  if (position) said.push(`Its open ${position.side} of ${format.quantity(position.quantity)} keeps its exits.`);
  return said.join(" ");
}

function lockForm(name, zone, running, send) {
  const submit = (event) => {
    event.preventDefault();
    const { until, reason } = event.target.elements;
    send("lock", reason.value.trim(), name, until.value);
    event.target.reset();
  };
  return html`
    <form class="lock" @submit=${submit}>
      <label>Lock until <input class="time" name="until" autocomplete="off" inputmode="numeric" placeholder="11:00" pattern="([01]?[0-9]|2[0-3]):[0-5][0-9]"
        title="A time such as 11:00, in ${zone}; empty: until it is unlocked."></label>
      <label>Because of <input name="reason" maxlength="200" autocomplete="off" placeholder="optional"></label>
      <button type="submit" class="small" ?disabled=${!running} title="No entries in ${name} meanwhile; what is open keeps its exits.">Lock ${name}</button>
    </form>`;
}

export function drawSymbolControls(store, symbol, commands) {
  byId("symbol-controls").hidden = !symbol;
  if (!symbol) return;
  const { name, chain } = symbol;
  const lock = store.locks[name];
  const over = OVER.has(stateOf(chain));
  const { running } = store.bot;
  const zone = store.session?.settings?.risk?.timezone ?? "UTC";
  render(html`
    <div class="panel-head"><h2 id="symbol-controls-title">Controls of ${name}</h2><p class="aside">other symbols go on</p></div>
    <p class="standing">${standing(name, { lock, halted: store.symbolsHalted[name], chain, position: store.positions.get(name) })}</p>
    <div class="symbol-buttons">
      <button type="button" class="small caution" ?disabled=${!running} @click=${() => commands.ask("flatten", name)}
        title="Close what is open of ${name} now, and lock it.">Flatten ${name}</button>
      <button type="button" class="small" ?disabled=${!running || !lock} @click=${() => commands.send("unlock", "", name)}
        title=${lock ? `Allow entries in ${name} again.` : `${name} is not locked.`}>Unlock ${name}</button>
      <button type="button" class="small" ?disabled=${!running || !over} @click=${() => commands.send("restart", "", name)}
        title=${over ? `Start the strategy of ${name} again, with fresh windows.` : `The strategy of ${name} neither failed nor was removed.`}>Restart its strategy</button>
    </div>
    ${lockForm(name, zone, running, (...wish) => commands.send(...wish))}
    <p class="muted small-print">Times are those of ${zone.replace("_", " ")}.</p>`, byId("symbol-controls"));
}
