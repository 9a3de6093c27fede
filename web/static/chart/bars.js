// Bars of a chart without the drawing: how they are folded, and which slots of the time axis there are.
//
// A row is [second, open, high, low, close, volume, bid, ask], one of the account's worth [second, worth, low, drawdown].

export const PRICE_NAMES = ["time", "open", "high", "low", "close", "volume", "bid", "ask"];
export const WORTH_NAMES = ["time", "worth", "low", "drawdown"];

/** Seconds without a trade that the axis shows in full; a longer pause, such as a night, is drawn shorter. */
export const LONGEST_PAUSE_S = 900;
const PAUSE_SLOTS = 15; // that such a pause is drawn with

/** Columns, as the server sends them, as rows. */
export function rowsOf(columns, names) {
  const [first, ...others] = names.map((name) => columns[name]);
  return first.map((value, i) => [value, ...others.map((column) => column[i])]);
}

/** When the bar of that width begins that a second is in. Widths below a second are as good. */
export const slotOf = (second, width) => Math.round(Math.floor(second / width + 1e-9) * width * 1000) / 1000;

/** Two rows of prices of one bar as one; the later one may know of no bid and ask. */
export function foldPrices(one, other, time = one[0]) {
  return [
    time, one[1], Math.max(one[2], other[2]), Math.min(one[3], other[3]), other[4], one[5] + other[5], other[6] ?? one[6], other[7] ?? one[7],
  ];
}

export const foldWorth = (one, other, time = one[0]) => [time, other[1], Math.min(one[2], other[2]), Math.max(one[3], other[3])];

/** Rows in their order as bars of a width: none of what they come to is lost. */
export function folded(rows, width, fold = foldPrices) {
  const bars = [];
  for (const row of rows) {
    const time = slotOf(row[0], width);
    const last = bars.at(-1);
    if (last?.[0] === time) bars[bars.length - 1] = fold(last, row, time);
    else bars.push([time, ...row.slice(1)]);
  }
  return bars;
}

/** Ticks [ns, price, size, bid, ask] as bars of a width, in seconds. */
export function barsOfTicks(ticks, width) {
  const rows = ticks.map(([ts, price, size, bid, ask]) => [ts / 1e9, price, price, price, price, size, bid, ask]);
  return folded(rows, width);
}

/**
 * The slots between two bars, neither of them included: every one of a pause that is short, some of a long one.
 * `width` is that of a slot.
 */
export function slotsBetween(before, after, width) {
  const count = Math.round((after - before) / width) - 1;
  if (count <= 0) return [];
  const step = after - before > Math.max(LONGEST_PAUSE_S, PAUSE_SLOTS * width) ? Math.ceil(count / PAUSE_SLOTS) : 1;
  const slots = [];
  for (let n = step; n <= count; n += step) slots.push(slotOf(before + n * width, width));
  return slots;
}

/** The time axis of bars: each slot's time, up to `until` if that is not long after the last bar. */
export function axisOf(bars, width, until = -Infinity) {
  const axis = [];
  for (const [time] of bars) {
    if (axis.length) axis.push(...slotsBetween(axis.at(-1), time, width));
    axis.push(time);
  }
  const end = slotOf(until, width);
  if (axis.length && end > axis.at(-1) && end - axis.at(-1) <= LONGEST_PAUSE_S) {
    axis.push(...slotsBetween(axis.at(-1), end + width, width));
  }
  return axis;
}

/** The index of the last of sorted times that is at or before `time`; -1 if all are after it. */
export function indexAt(times, time) {
  let low = 0;
  let high = times.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (times[middle] <= time) low = middle + 1;
    else high = middle;
  }
  return low - 1;
}

/**
 * The bars of a chart of one width that goes on: rows of whole seconds come in, as often as they change. The newest bar
 * is made of its seconds again each time, so that none of them counts twice.
 */
export class LiveBars {
  /** `tail` are the rows of the seconds in the last of the bars. */
  constructor(bars, width, tail = []) {
    this.width = width;
    this.bars = tail.length ? bars.slice(0, -1) : bars.slice();
    this.seconds = [];
    this.newest = -Infinity; // the last second that is in
    for (const row of tail) this.put(row);
    if (!tail.length) this.newest = this.bars.at(-1)?.[0] ?? -Infinity;
  }

  /** Take in the row of a second; whether it changes the last bar, or makes one. One of an earlier bar is left out. */
  put(row) {
    const time = slotOf(row[0], this.width);
    const last = this.bars.at(-1);
    if (row[0] < this.newest || (last && time < last[0])) return false;
    if (!last || time > last[0]) this.seconds = [];
    const same = this.seconds.at(-1)?.[0] === row[0];
    if (same) this.seconds.pop();
    this.seconds.push(row);
    this.newest = row[0];
    const [bar] = folded(this.seconds, this.width);
    if (last?.[0] === time) this.bars[this.bars.length - 1] = bar;
    else this.bars.push(bar);
    return true;
  }
}

/**
 * Which labels there is room for: of marks from left to right, those whose label does not run into the one before.
 * `marks` have an `x` in pixels and a label's `wide`; the newest come first.
 */
export function labelled(marks) {
  const shown = new Set();
  let edge = Infinity;
  for (let i = marks.length - 1; i >= 0; i -= 1) {
    const { x, wide } = marks[i];
    if (!wide || x + wide / 2 > edge) continue;
    shown.add(i);
    edge = x - wide / 2 - 4;
  }
  return shown;
}

/** @type {[number, string][]} */
const SPANS = [[86_400, "day"], [3600, "hour"], [60, "minute"], [1, "second"]];

/** A span of time in words: "5 minutes". */
export function spanWords(seconds) {
  const [unit, name] = SPANS.find(([size]) => seconds >= size) ?? SPANS[SPANS.length - 1];
  const count = Math.round(seconds / unit);
  return count === 1 ? `1 ${name}` : `${count} ${name}s`;
}
