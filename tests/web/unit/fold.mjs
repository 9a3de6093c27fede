// Folds the event lists that come a line each, and answers with what the store holds then, a line each.

import { createInterface } from "node:readline";

import { Store } from "../../../web/static/store.js";

for await (const line of createInterface({ input: process.stdin })) {
  const store = new Store();
  for (const [event, data] of JSON.parse(line)) store.apply(event, data);
  const { told, symbols, positions, ...shown } = store;
  const all = { ...shown, symbols: [...symbols.values()].sort((a, b) => (a.name < b.name ? -1 : 1)), positions: [...positions.values()] };
  delete all.feed.changedAt; // by this computer's clock, as the next two
  for (const symbol of all.symbols) {
    delete symbol.tickAt;
    delete symbol.bars; // those of before a page looked, it asks for apart
    delete symbol.gapS;
    delete symbol.why; // a sentence whose figures alone change is told once a second
    if (!symbol.whole || symbol.ticks.length < 2) delete symbol.previous; // it is shown of the symbol that is looked at
  }
  console.log(JSON.stringify(all));
}
