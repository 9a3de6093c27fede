// How the chains of symbols are, as more than one panel says it.

/** What is said of a strategy that does not run as it should, by the first word of its chain's state. */
export const CHAINS_SAID = {
  SLOW: ["warn", "is slow", ""],
  RESTARTING: ["warn", "failed", " It restarts soon."],
  FAILED: ["bad", "failed", " It trades no more."],
  REMOVED: ["bad", "was removed", " It trades no more."],
};

export const stateOf = (chain) => chain.split(":", 1)[0];

/** Symbols whose ticks come in vain: the feed is there, and yet nothing is traded on it. */
export const unheard = (store) => [...store.symbols.values()].filter((symbol) => stateOf(symbol.chain) === "UNUSED");
