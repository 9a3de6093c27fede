// What the panels of the mock exchange, the log and the settings make of what they are told. Without a page.

/** The faults that are on, by name, from how the exchange writes them: `drop:500`. */
export function switchedOn(active) {
  return new Map(active.map((spec) => {
    const [name, value] = spec.split(":");
    return [name, Number(value)];
  }));
}

/** The faults by the heading under which they are shown, in the exchange's order. */
export function grouped(known) {
  const groups = new Map();
  for (const fault of known) {
    const heading = fault.group || "Other";
    groups.set(heading, [...(groups.get(heading) ?? []), fault]);
  }
  return [...groups];
}

/** What is wrong at present, for the panel's summary. */
export function summary({ faults = [], halted = [], trouble = "" }) {
  if (trouble) return trouble;
  const said = [];
  if (faults.length) said.push(`${faults.length} fault${faults.length === 1 ? "" : "s"} on`);
  if (halted.length) said.push(`${halted.join(", ")} halted`);
  return said.join(", ") || "all is well";
}

/** Settings in whose path, value or origin each word of a search stands; `changed` leaves the defaults out. */
export function found(settings, search, changed) {
  const wanted = search.toLowerCase().split(/\s+/).filter(Boolean);
  return settings.filter((one) => {
    if (changed && one.origin === "default") return false;
    const text = `${one.section}.${one.key} ${one.value} ${one.origin}`.toLowerCase();
    return wanted.every((word) => text.includes(word));
  });
}

const KEPT = 500; // lines; the oldest go

const PLACED = new Set(["ts", "venue_ts", "level", "logger", "event", "message", "zone"]); // fields with a place of their own

/** The fields of a line that have no place of their own, in their order. */
export const fieldsOf = (line) => Object.entries(line).filter(([name, value]) => !PLACED.has(name) && value !== null);

/** The decision that a line is about; empty where it is about none. */
export function decisionOf(line) {
  const found = line.decision ?? line.decision_id;
  return typeof found === "string" || typeof found === "number" ? String(found) : "";
}

/** Lines with those that came, the newest of them; each has a number of its own. */
export function joined(lines, came, next) {
  const numbered = came.map((line, i) => ({ line, number: next + i }));
  return [...lines, ...numbered].slice(-KEPT);
}
