// In which order symbols are listed: those with a position first, then those that moved most.

export const SLIM = 6; // symbols that stand in a row; more are a list
export const RESORT_MS = 5000; // the order changes no more often, so that it can be read

/** How far a price is from the first of the session, as a fraction. */
export const movement = (symbol) => (symbol.first > 0 && symbol.price !== null ? symbol.price / symbol.first - 1 : 0);

/** Names in the order to list them; symbols that moved alike keep their places. */
export function ranked(symbols, positions) {
  const list = [...symbols.values()];
  if (list.length <= SLIM) return list.map((symbol) => symbol.name);
  const size = (symbol) => Math.round(Math.abs(movement(symbol)) * 1e4); // basis points: less is not worth a move
  list.sort((a, b) => Number(positions.has(b.name)) - Number(positions.has(a.name)) || size(b) - size(a));
  return list.map((symbol) => symbol.name);
}

/** The order on the screen: it waits for a few seconds, and while it is held, as below the pointer. */
export class Order {
  constructor(clock = () => Date.now()) {
    this.clock = clock;
    this.names = [];
    this.sortedAt = -Infinity;
    this.held = false;
  }

  /** Names of all symbols, of which some may be new. */
  of(symbols, positions) {
    const known = this.names.filter((name) => symbols.has(name));
    const added = known.length < symbols.size ? [...symbols.keys()].filter((name) => !known.includes(name)) : [];
    const due = this.clock() - this.sortedAt >= RESORT_MS && !this.held;
    if (!due) this.names = [...known, ...added];
    else {
      // Sorted from the order so far, so that what is alike does not move.
      this.names = ranked(new Map([...known, ...added].map((name) => [name, symbols.get(name)])), positions);
      this.sortedAt = this.clock();
    }
    return this.names;
  }
}

const SAID = { FAILED: "✕", REMOVED: "✕", RESTARTING: "↻", SLOW: "◔", UNUSED: "○" };

/** What is not as it should be with a symbol: a word, a shape, how bad it is, and why; null if all is well. */
export function trouble(symbol, store) {
  const state = symbol.chain.split(":", 1)[0];
  const why = symbol.chain.slice(state.length + 2);
  if (state === "FAILED" || state === "REMOVED") return { word: state, shape: SAID[state], tone: "bad", why };
  if (store.symbolsHalted?.[symbol.name]) return { word: "HALTED", shape: "■", tone: "bad", why: store.symbolsHalted[symbol.name] };
  if (store.locks?.[symbol.name]) return { word: "LOCKED", shape: "◆", tone: "warn", why: store.locks[symbol.name] };
  if (store.feed?.stale?.[symbol.name]) return { word: "STALE", shape: "◌", tone: "warn", why: store.feed.stale[symbol.name] };
  return SAID[state] ? { word: state, shape: SAID[state], tone: state === "RESTARTING" ? "bad" : "warn", why } : null;
}
