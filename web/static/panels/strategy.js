// What the strategy of the symbol that is shown declares and measures, and what its operators cost.

import * as format from "../format.js";
import { byId, node, reconcile, row, setText } from "./dom.js";

/** What the strategy of the symbol that is shown declares (`param`), and what it measures (`op.metric`). */
export function drawStrategy(store, symbol) {
  const owner = Object.values(store.metrics?.strategies ?? {}).find((one) => one.symbols.includes(symbol?.name));
  const named = owner && owner !== store.metrics.strategies.default;
  const parameters = Object.entries((named ? owner : store.metrics)?.parameters ?? {});
  const measured = Object.entries(symbol?.measured ?? {});
  byId("strategy-panel").hidden = !parameters.length && !measured.length && !symbol?.operators.length;
  byId("metrics").hidden = !measured.length;
  setText("strategy-aside", symbol?.name ?? "");
  reconcile(byId("parameters"), parameters, (one) => JSON.stringify(one), ([name, { value, default: usual, low, high }]) => {
    const made = node("div");
    made.title = `Declared by param: ${format.reading(low)} to ${format.reading(high)}, ${format.reading(usual)} where nothing is set`;
    const said = node("dd", "", format.reading(value));
    if (value !== usual) said.append(node("small", "muted", ` (default ${format.reading(usual)})`));
    made.append(node("dt", "", name), said, node("small", "muted", `${format.reading(low)} to ${format.reading(high)}`));
    return made;
  });
  const figures = ({ last, min, max, mean, count }) => [...[last, min, max, mean].map(format.measured), format.count(count)];
  reconcile(byId("metric-rows"), measured, ([name]) => name, ([name]) => row([[name], ...Array(5).fill(["", "n"])]));
  measured.forEach(([, found], i) => {
    const cells = [...byId("metric-rows").children[i].children].slice(1);
    figures(found).forEach((text, n) => {
      if (cells[n].textContent !== text) cells[n].textContent = text;
    });
  });
}

/** What each operator of the symbol's pipe passes on, and what it costs; nothing is drawn while it is folded. */
export function drawOperators(symbol) {
  const operators = symbol?.operators ?? [];
  const details = byId("operators");
  details.hidden = !operators.length;
  if (operators.length) byId("strategy-panel").hidden = false;
  if (!details.open) return;
  reconcile(byId("operator-rows"), operators, (one) => one.name, (one) => row([[one.name], ["", "n"], ["", "n"], ["", "n"], ["", "muted wide"]]));
  operators.forEach(({ rate, us, errors, last }, i) => {
    const cells = byId("operator-rows").children[i].children;
    const said = [rate === null ? "–" : `${format.reading(rate)} /s`, us === null ? "–" : `${format.reading(us)} µs`, format.count(errors), last || "–"];
    said.forEach((text, n) => {
      if (cells[n + 1].textContent !== text) cells[n + 1].textContent = text;
    });
    cells[3].classList.toggle("bad", errors > 0);
  });
}
