// A sound and a notification for fills and halts, where the viewer wants them; one tab of a browser speaks for all.

import { chosen } from "./choices.js";
import * as format from "./format.js";

const TONES = { opened: [660], won: [660, 880], lost: [440, 330], halted: [880, 440, 880, 440] };
const TONE_S = 0.14;

/** What is new since the last look: fills, and a halt. `before` is null at the first look, which is silent. */
export function news(before, after) {
  if (!before) return [];
  const said = [];
  for (const [symbol, position] of after.positions) {
    if (before.positions.has(symbol)) continue;
    said.push({ kind: "opened", text: `${position.side} ${symbol} at ${format.price(position.entry_price)}` });
  }
  for (const trade of after.trades) {
    if (before.trades.has(trade)) continue;
    said.push({ kind: trade.pnl < 0 ? "lost" : "won", text: `${trade.symbol} closed, ${format.exitReason(trade.exit_reason)}: ${format.signedMoney(trade.pnl)}` });
  }
  if (after.state === "HALTED" && before.state !== "HALTED") said.push({ kind: "halted", text: "Trading is halted." });
  return said;
}

const lookAt = (store) => ({ positions: new Map(store.positions), trades: new Set(store.trades), state: store.state.state });

export class Alerts {
  constructor() {
    this.before = null;
    this.audio = null; // made when it is first wanted: a browser wants a click before that
    this.speaks = !navigator.locks; // a browser without locks: each tab speaks
    // The tab that holds the lock speaks; when it is closed, the next one gets the lock.
    navigator.locks?.request("microbot-alerts", () => new Promise(() => { this.speaks = true; }));
  }

  /** Forget what was seen: what comes next is a state, not news. */
  forget() {
    this.before = null;
  }

  /** Look at the store, and tell what is new. */
  look(store) {
    const after = lookAt(store);
    const found = news(this.before, after);
    this.before = after;
    for (const { kind, text } of found) this.tell(kind, text);
  }

  tell(kind, text) {
    document.getElementById(kind === "halted" ? "said-now" : "said").textContent = text;
    if (!this.speaks) return;
    if (chosen("sound") === "on") this.play(kind);
    if (chosen("notify") === "on" && Notification.permission === "granted") new Notification("microbot", { body: text, tag: kind === "halted" ? "halt" : text });
  }

  /** Play the tones of a kind of news; a browser allows that once the viewer has clicked somewhere. */
  play(kind) {
    this.audio ??= new AudioContext();
    this.audio.resume();
    TONES[kind].forEach((pitch, i) => {
      const from = this.audio.currentTime + i * TONE_S;
      const tone = new OscillatorNode(this.audio, { frequency: pitch });
      const loud = new GainNode(this.audio, { gain: 0 });
      loud.gain.setValueAtTime(0.15, from);
      loud.gain.exponentialRampToValueAtTime(0.001, from + TONE_S);
      tone.connect(loud).connect(this.audio.destination);
      tone.start(from);
      tone.stop(from + TONE_S);
    });
  }
}
