// The conditions of the strategy, as the newest tick meets them.

import * as format from "../format.js";
import { byId, node, reconcile, setText } from "./dom.js";

export function drawGauges(symbol) {
  const gauges = symbol?.gauges;
  byId("gauges-empty").hidden = Boolean(gauges);
  byId("gauges").hidden = !gauges;
  const chip = byId("gauges-chip");
  chip.hidden = !gauges;
  if (!gauges) return;
  drawBlocked(symbol);
  const { readings } = gauges;
  const conditions = readings.filter((reading) => !PLAIN.has(reading.bound));
  const passed = conditions.filter((reading) => reading.passed).length;
  const text = gauges.ready ? `${passed} of ${conditions.length} met` : "warming up";
  if (chip.textContent !== text) chip.textContent = text;
  chip.dataset.tone = !gauges.ready ? "warn" : passed === conditions.length && passed ? "good" : "";
  chip.title = gauges.ready ? "Conditions met by the newest tick" : "The window is not full yet, so nothing is traded";
  reconcile(byId("gauges"), readings, (reading) => `${reading.bound} ${reading.name}`, (reading) => {
    const gauge = node("div", "gauge");
    const line = node("div", "gauge-line");
    const value = node("span", "gauge-value");
    value.append(node("span"), node("small"));
    line.append(node("span", "gauge-mark"), node("span", "gauge-name", format.words(reading.label ?? reading.name)), value);
    if (PLAIN.has(reading.bound)) {
      gauge.append(line);
      return gauge;
    }
    const bar = node("div", "gauge-bar");
    bar.setAttribute("role", "meter");
    bar.setAttribute("aria-label", format.words(reading.label ?? reading.name));
    bar.setAttribute("aria-valuemin", "0");
    bar.setAttribute("aria-valuemax", "100");
    bar.append(node("i"), node("b"));
    gauge.append(line, bar);
    return gauge;
  });
  readings.forEach((reading, i) => drawGauge(byId("gauges").children[i], reading));
}

export const PLAIN = new Set(["none", "rule"]); // bounds of what has no threshold: a number, and a rule that points

/** A number that nothing is wanted of, or a rule, which holds or does not. */
function drawPlain(gauge, mark, value, reading) {
  const isRule = reading.bound === "rule";
  gauge.dataset.passed = String(isRule && reading.passed);
  mark.textContent = isRule ? (reading.passed ? "✓" : "·") : "";
  const side = reading.value > 0 ? "LONG" : "SHORT";
  const text = isRule ? (reading.passed ? `holds: ${side}` : "does not hold") : format.measured(reading.value);
  if (value.textContent !== text) value.textContent = text;
}

/** What the last run of ticks (or candles) of this symbol lacked that pointed somewhere and gave no signal. */
function drawBlocked(symbol) {
  const burst = symbol.blocked;
  byId("blocked-last").hidden = !burst;
  if (!burst) return;
  const said = `Last burst without a signal: ${burst.side} at ${format.time(burst.ts)}, ${format.reason(burst.reason)}`;
  setText("blocked-last", said).title = burst.reason;
}

const MOST = new Set(["at_most", "less_than"]); // bounds that a value must stay below

/**
 * The threshold stands in the middle of the bar; twice the threshold fills it. The tinted half is where the condition is
 * met: right of the threshold, or left of it if the value must not exceed it.
 */
function drawGauge(gauge, reading) {
  const [line, bar] = gauge.children;
  const [mark, , value] = line.children;
  if (PLAIN.has(reading.bound)) {
    drawPlain(gauge, mark, value.firstElementChild, reading);
    return;
  }
  const full = 2 * Math.abs(reading.threshold) || Math.max(1, 2 * Math.abs(reading.value));
  const share = Math.min(1, Math.abs(reading.value ?? 0) / full);
  const wanted = format.wanted(reading);
  gauge.dataset.passed = String(reading.passed);
  gauge.dataset.bound = MOST.has(reading.bound) ? "at_most" : reading.bound;
  mark.textContent = reading.passed ? "✓" : reading.near ? "≈" : MOST.has(reading.bound) ? "×" : "·";
  gauge.dataset.near = String(Boolean(reading.near));
  gauge.title = reading.near ? "A near miss: within a fifth of the threshold" : "";
  value.children[0].textContent = `${format.counted(reading.value, reading.unit)}${format.unitOf(reading.unit)}`;
  value.children[1].textContent = ` ${wanted}`;
  bar.firstElementChild.style.width = `${(share * 100).toFixed(1)}%`;
  bar.setAttribute("aria-valuenow", (share * 100).toFixed(0));
  bar.setAttribute("aria-valuetext", `${format.counted(reading.value, reading.unit)}${format.unitOf(reading.unit)}, wanted ${wanted}, ${reading.passed ? "met" : reading.near ? "nearly met" : "not met"}`);
}
