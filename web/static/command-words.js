// What is said of commands: their names, what is asked before them, and what became of them. Without a page.

/** Commands that cannot be taken back, with what is asked before they are sent: a title, a text and a button. */
const CONFIRM = {
  flatten: ["Flatten every position?", "All open positions are closed at once, at the market, and trading is then paused until you resume it.", "Flatten now"],
  halt: ["Halt trading?", "All open positions are closed at once, at the market, and no entry is made until you resume, across days and restarts.", "Halt now"],
};

/** What is to be asked before a command; null where nothing is. */
export function question(command, symbol = "") {
  if (command === "flatten" && symbol) {
    return [`Flatten ${symbol}?`, `What is open of ${symbol} is closed at once, at the market, and ${symbol} is locked until you unlock it. Other symbols go on.`, `Flatten ${symbol} now`];
  }
  return CONFIRM[command] ?? null;
}

const SUFFIXES = { one: "st", two: "nd", few: "rd", other: "th" };
const rules = new Intl.PluralRules("en", { type: "ordinal" });

/** A number as a place in a row: 1st, 2nd, 3rd. */
export const ordinal = (n) => `${n}${SUFFIXES[rules.select(n)]}`;

/** What is said while a command is on its way. */
export const sending = (tries) => (tries > 1 ? `sending… (${ordinal(tries)} try)` : "sending…");

/** A command's name as a sentence about it begins. */
export const title = (command) => `${command.charAt(0).toUpperCase()}${command.slice(1)}`;

/** The state in which a command would change nothing. */
const USELESS = { PAUSED: "pause", ACTIVE: "resume", REDUCING: "reduce", HALTED: "halt" };

const LOWER = new Set(["pause", "reduce"]); // than HALTED, which only `resume` lifts

/**
 * Why a command makes no sense now, as the title of its button says it; empty where it does.
 * `noResume` is why a resume would not work, in the bot's words.
 */
export function useless(command, state, noResume = "") {
  if (command === "resume" && noResume) return `Resume would change nothing: ${noResume}.`;
  // A halt by the day's loss ends with the day: one by hand holds beyond it.
  if (command === "halt" && state === "HALTED" && noResume) return "";
  if (USELESS[state] === command) return `Trading is ${state} already.`;
  if (state === "HALTED" && LOWER.has(command)) return "Trading is HALTED, which only Resume lifts.";
  return "";
}

/** Milliseconds since a moment, by the clock that says more: one of them stands still while a laptop sleeps. */
export const since = (then, now) => Math.max(now.steady - then.steady, now.wall - then.wall, 0);

/**
 * Until when the server may have a command carried out, by its own clocks, as `GET api/clock` told them after the click:
 * the time that the way there and back took is subtracted. Null if it is too late already.
 */
export function deadlineOf(clock, spentMs) {
  const left = Math.floor(clock.within_ms - spentMs);
  return left > 0 ? clock.now.map((ms) => ms + left) : null;
}
