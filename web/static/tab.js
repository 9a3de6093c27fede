// What a browser shows of a tab: its title, and an icon with the position and a halt.

import * as format from "./format.js";

const COLOURS = { good: "#0f8a55", bad: "#d0323f", flat: "#2457d6", off: "#6b7785" };

/** The icon as a data URL: green or red while a position is open, a bar across it while trading is halted. */
export function icon({ connected, halted, profit }) {
  const fill = !connected ? COLOURS.off : profit === null ? COLOURS.flat : profit < 0 ? COLOURS.bad : COLOURS.good;
  const line = profit === null ? "M5 21l6-6 5 4 4-9 7 6" : profit < 0 ? "M6 9l7 6 4-3 9 11" : "M6 23l7-6 4 3 9-11";
  const mark = halted
    ? '<rect x="3" y="3" width="26" height="26" rx="6" fill="#d0323f"/><path d="M10 9v14M22 9v14" stroke="#fff" stroke-width="5"/>'
    : `<path d="${line}" fill="none" stroke="#fff" stroke-width="3" stroke-linecap="round" stroke-linejoin="round"/>`;
  return `data:image/svg+xml,${encodeURIComponent(`<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32"><rect width="32" height="32" rx="8" fill="${fill}"/>${mark}</svg>`)}`;
}

/** The title: what matters most comes first, since a tab shows a dozen letters. */
export function title({ connected, hidden, running, state, positions, selected, price }) {
  if (!connected && running) return hidden ? "not live while hidden · microbot" : "not connected · microbot";
  const open = [...positions.values()];
  const profit = open.reduce((sum, position) => sum + position.open_profit, 0);
  const [only] = open;
  const held = open.length === 1 ? `${only.side} ${only.symbol} ${format.signedMoney(profit)}` : open.length ? `${open.length} open ${format.signedMoney(profit)}` : "";
  const last = price == null ? "" : `${selected} ${format.price(price)}`;
  return [running ? "" : "stopped", state === "HALTED" ? "HALTED" : "", held, last, "microbot"].filter(Boolean).join(" · ");
}

/** Draw both for a store. */
export function drawTab(store, selected, connected) {
  const open = [...store.positions.values()];
  const halted = store.state.state === "HALTED";
  document.title = title({
    connected, hidden: document.hidden, running: store.bot.running, state: store.state.state, positions: store.positions,
    selected, price: store.symbols.get(selected)?.price,
  });
  const profit = open.length ? open.reduce((sum, position) => sum + position.open_profit, 0) : null;
  const link = /** @type {HTMLLinkElement} */ (document.querySelector('link[rel="icon"]'));
  const href = icon({ connected: connected && store.bot.running, halted, profit });
  if (link.getAttribute("href") !== href) link.setAttribute("href", href);
}
