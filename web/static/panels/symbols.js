// The symbols to choose from.

import * as format from "../format.js";
import { CHAINS_SAID, stateOf } from "./chains.js";
import { byId, node, reconcile } from "./dom.js";

export function drawTabs(store, selected, select) {
  const tabs = byId("tabs");
  reconcile(tabs, [...store.symbols.values()], (symbol) => symbol.name, (symbol) => {
    const tab = node("button", "tab");
    tab.type = "button";
    tab.role = "tab";
    tab.setAttribute("aria-controls", "panel");
    tab.append(node("span", "dot"), node("span", "name", symbol.name), node("span", "last"), node("span", "failed", "FAILED"));
    tab.title = symbol.name;
    tab.addEventListener("click", () => select(symbol.name));
    return tab;
  });
  for (const tab of tabs.children) {
    const symbol = store.symbols.get(tab.dataset.key);
    const position = store.positions.get(symbol.name);
    const isSelected = symbol.name === selected;
    tab.setAttribute("aria-selected", String(isSelected));
    tab.tabIndex = isSelected ? 0 : -1;
    const [dot, , last, failed] = tab.children;
    dot.hidden = !position;
    dot.dataset.tone = position ? format.tone(position.open_profit) : "";
    dot.title = position ? `${position.side} position open` : "";
    const text = symbol.price === null ? "" : format.price(symbol.price);
    if (last.textContent !== text) last.textContent = text;
    const state = stateOf(symbol.chain);
    const mark = CHAINS_SAID[state]?.[0] ?? (state === "UNUSED" ? "warn" : "");
    failed.hidden = !mark;
    if (failed.textContent !== state) failed.textContent = state;
    failed.dataset.tone = mark;
  }
}
