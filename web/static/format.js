// How numbers, times and names are written. Times come in nanoseconds; the page shows them in one time zone.

const NANOS_PER_MILLI = 1e6;
const MINUS = "\u2212";

let zone = "UTC";
let { clock, clockMillis, calendar, day, zoneName } = writers();

/** What writes times in the zone: each is costly to make, and asked thousands of times. */
function writers() {
  return {
    clock: clockOf(zone, {}),
    clockMillis: clockOf(zone, { fractionalSecondDigits: 3 }),
    calendar: new Intl.DateTimeFormat("en-GB", { timeZone: zone, day: "numeric", month: "short" }),
    day: new Intl.DateTimeFormat("sv-SE", { timeZone: zone }),
    zoneName: new Intl.DateTimeFormat("en-US", { timeZone: zone, timeZoneName: "short" }),
  };
}

function clockOf(timeZone, more) {
  return new Intl.DateTimeFormat("en-GB", {
    timeZone, hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23", ...more,
  });
}

/** Show times in this zone from now on; a name that no zone has means UTC. */
export function setTimeZone(name) {
  const before = zone;
  try {
    clockOf(name, {});
    zone = name;
  } catch {
    zone = "UTC";
  }
  if (zone !== before) ({ clock, clockMillis, calendar, day, zoneName } = writers());
}

/** The zone in which times are shown. */
export const timeZone = () => zone;

const QUARTER_MS = 900_000; // no zone changes its name within one
let named = { zone: "", quarter: 0, name: "" };

/** The zone's abbreviation at that moment; it is costly to find, and asked of a hundred rows of about one time. */
function zoneNameAt(when) {
  const quarter = Math.floor(when / QUARTER_MS);
  if (named.zone !== zone || named.quarter !== quarter) {
    named = { zone, quarter, name: zoneName.formatToParts(when).find((part) => part.type === "timeZoneName")?.value };
  }
  return named.name;
}

/** The zone in which times are shown, with its abbreviation at that moment. */
export function timeZoneLabel(ns) {
  const when = new Date(ns ? ns / NANOS_PER_MILLI : Date.now());
  const short = zoneNameAt(when);
  return short && short !== zone ? `${zone.replace("_", " ")} (${short})` : zone;
}

export const time = (ns) => clock.format(ns / NANOS_PER_MILLI);

/** An instant as the log and the command line name it: 2026-01-05 09:31:07.123 EST. */
export function instant(ns) {
  const when = new Date(ns / NANOS_PER_MILLI);
  return `${day.format(when)} ${timeMillis(ns)} ${zoneNameAt(when) ?? zone}`;
}
export const timeMillis = (ns) => clockMillis.format(ns / NANOS_PER_MILLI);

export const dateOf = (ns) => calendar.format(ns / NANOS_PER_MILLI);

/** How long is left, short enough for a column: "59.9 s", "9:59 min", "27:44 h". Finer than a second only below 100 s. */
export function countdown(seconds) {
  if (seconds < 100) return `${seconds.toFixed(1)} s`;
  const whole = Math.floor(seconds);
  const two = (number) => String(Math.floor(number)).padStart(2, "0");
  return whole < 3600 ? `${Math.floor(whole / 60)}:${two(whole % 60)} min` : `${Math.floor(whole / 3600)} h ${Math.floor((whole % 3600) / 60)} min`;
}

/** How many seconds ago something was: "12 s", "3 min", "2 h". */
export function age(seconds) {
  if (seconds < 90) return `${Math.floor(Math.max(0, seconds))} s`;
  return seconds < 5400 ? `${Math.round(seconds / 60)} min` : `${Math.round(seconds / 3600)} h`;
}

/** How long a trade was held (ns): "4.1 s", "2 min 5 s", "3 h 12 min". */
export function held(ns) {
  const seconds = ns / 1e9;
  if (seconds < 60) return `${seconds.toFixed(1)} s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ${Math.floor(seconds % 60)} s`;
  return `${Math.floor(seconds / 3600)} h ${Math.floor((seconds % 3600) / 60)} min`;
}

/** A time of day (ns), with its date where that is another one than that of `now`. */
export const timeBeside = (ns, now) => (dateOf(ns) === dateOf(now) ? time(ns) : `${dateOf(ns)} ${time(ns)}`);

export const secondsLeft = (untilNs, nowNs) => Math.max(0, (untilNs - nowNs) / 1e9);

const isNumber = (value) => typeof value === "number" && Number.isFinite(value);

/** Decimals that a price of this size needs, at least and at most: cents from one upwards, more below. */
export function priceDecimals(price) {
  const size = Math.abs(price);
  if (size >= 1000) return [2, 2];
  if (size >= 1 || size === 0) return [2, 4];
  return size >= 0.01 ? [4, 6] : [6, 10];
}

const formats = new Map();
function fixed(least, most) {
  const key = `${least},${most}`;
  if (!formats.has(key)) {
    formats.set(key, new Intl.NumberFormat("en-US", { minimumFractionDigits: least, maximumFractionDigits: most }));
  }
  return formats.get(key);
}

const MOST_DECIMALS = 15;
const DIGITS = 8; // of a price: one that was computed, as of a fill with slippage, is rounded to them

const rounded = (value) => Number(Math.abs(value) < 1e6 ? value.toPrecision(DIGITS) : value.toFixed(2));

/** A price with the digits that it has, and at least as many decimals as its size needs. */
export const price = (value) =>
  isNumber(value)
    ? fixed(priceDecimals(value)[0], MOST_DECIMALS).format(rounded(value)).replace("-", MINUS)
    : "–";

/** A minus, unless nothing but zeros is shown behind it. */
const signed = (value, text) => (value < 0 && /[1-9]/.test(text) ? MINUS + text : text);

/** A difference of prices, with the decimals that the prices themselves have. */
export const priceStep = (value, at) => fixed(...priceDecimals(at)).format(Math.abs(value));
export const count = (value) => (isNumber(value) ? fixed(0, 0).format(value) : "–");
/** How orders fare, in a line: "12 orders, fill after 70 ms (p99 120), slippage +0.6 bp"; empty without one. */
export function execution(told) {
  const { simulated, assumed, all } = told;
  if (!all?.orders) return "";
  const took = all.submit_to_fill_ms;
  const cost = all.slippage_bps;
  const said = [`${count(all.orders)} ${all.orders === 1 ? "order" : "orders"}`];
  if (took) said.push(`fill after ${fixed(0, 0).format(took.p50)} ms (p99 ${fixed(0, 0).format(took.p99)})`);
  if (cost) said.push(`${fixed(2, 2).format(cost.p50)} bp from the trigger (p99 ${fixed(2, 2).format(cost.p99)})`);
  if (!simulated) said.push(`assumed ${fixed(0, 0).format(assumed.latency_ms + assumed.latency_jitter_ms * Math.LN2)} ms, ${fixed(2, 2).format(assumed.slippage_bps)} bp`);
  return said.join(", ");
}

/** How much of a bound is taken: "3 of 10,000 inputs", "0 of 4 MiB". */
export function bounded(depth, limit, unit) {
  if (unit !== "bytes") return `${count(depth)} of ${count(limit)} ${unit}`;
  const mib = (bytes) => fixed(0, 1).format(bytes / 2 ** 20);
  return `${mib(depth)} of ${mib(limit)} MiB`;
}

export const quantity = (value) => (isNumber(value) ? fixed(0, 6).format(value) : "–");

/** A sum of money: cents, more decimals where cents would show nothing, none where they no longer matter. */
export function money(value) {
  if (!isNumber(value)) return "–";
  const size = Math.abs(value);
  const small = size > 0 && size < 0.01;
  const decimals = size >= 100_000 ? [0, 0] : small ? [2, MOST_DECIMALS] : [2, 2];
  const text = fixed(...decimals).format(small ? Number(size.toPrecision(2)) : size);
  return signed(value, `$${text}`);
}

export const signedMoney = (value) => (isNumber(value) && value > 0 ? `+${money(value)}` : money(value));
export const percent = (fraction, digits = 2) =>
  isNumber(fraction) ? signed(fraction, `${fixed(digits, digits).format(Math.abs(fraction) * 100)} %`) : "–";
export function signedPercent(fraction) {
  const text = percent(fraction);
  return isNumber(fraction) && fraction > 0 && /[1-9]/.test(text) ? `+${text}` : text;
}

const BOUNDS = { at_least: "at least ", at_most: "at most ", more_than: "more than ", less_than: "less than ", either_way: "at least ±" };

/** What a condition wants of its value: "at most 0.5", or "at least ±0.0005" of one that counts upwards and downwards. */
export function wanted(one) {
  return `${BOUNDS[one.bound]}${counted(one.threshold, one.unit)}${unitOf(one.unit)}`;
}

/** A reading of any condition: three significant digits, without an exponent. */
export function reading(value) {
  if (!isNumber(value)) return "–";
  const size = Math.abs(value);
  const text = size === 0 ? "0" : size >= 1000 ? count(size) : fixed(0, 8).format(Number(size.toPrecision(3)));
  return signed(value, text);
}

const COUNTED = { bp: [1e4, 1], "%": [100, 2], x: [1, 2] };

/** A reading in its unit: basis points with one decimal, per cent and multiples with two; without one, three digits. */
export function counted(value, unit) {
  if (!COUNTED[unit] || !isNumber(value)) return reading(value);
  const [scale, decimals] = COUNTED[unit];
  return signed(value, fixed(decimals, decimals).format(Math.abs(value) * scale));
}

/** A unit as it is written behind a figure. */
export const unitOf = (unit) => (unit ? ` ${unit === "x" ? "×" : unit}` : "");

/** A measured number: six significant digits, so that prices can be told apart. */
export function measured(value) {
  if (!isNumber(value)) return "–";
  const size = Math.abs(value);
  const text = size >= 1e6 ? count(size) : fixed(0, 10).format(Number(size.toPrecision(6)));
  return signed(value, text);
}

/** "up", "down" or "": the class for a gain or a loss. */
export const tone = (value) => (value > 0 ? "up" : value < 0 ? "down" : "");

/** A name from code as words: volume_spike becomes "Volume spike". */
export function words(name) {
  const text = String(name).replaceAll("_", " ").toLowerCase();
  return text.charAt(0).toUpperCase() + text.slice(1);
}

let reasons = {};

/** Take the words for codes, as the server has them. */
export function setReasons(words) {
  reasons = words ?? {};
}

/** Why a burst gave no signal, or a signal no trade, in words. */
export const reason = (code) => reasons[code] ?? words(code).toLowerCase();

const EXITS = {
  TP: "profit target reached",
  SL: "stop loss",
  TIME: "held for the longest time",
  FLAT: "the market went flat",
  HALT: "trading was halted",
  FLATTEN: "closed by command",
  STOP: "protective stop reached",
  NO_STOP: "no stop could be set",
  CLOSE: "the market was about to close",
};

/** What an exit reason stands for. */
export const exitReason = (code) => EXITS[code] ?? words(code).toLowerCase();
