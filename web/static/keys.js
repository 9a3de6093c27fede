// What the keyboard does: single keys, unless a field has the focus or a dialog is open.

/** Keys in the order of the sheet: what is pressed, what it does, and its name for the page. */
export const KEYS = [
  ["?", "Keys, theme, times and sounds", "help"],
  ["p", "Pause", "pause"],
  ["r", "Resume", "resume"],
  ["f", "Flatten, after a confirmation", "flatten"],
  ["h", "Halt, after a confirmation", "halt"],
  ["j", "Next symbol", "next"],
  ["k", "Previous symbol", "previous"],
  ["/", "Search symbols", "search"],
  ["g t", "Go to trades", "trades"],
  ["g c", "Go to the chart", "chart"],
  ["g l", "Go to the log", "log"],
];

const WAIT_MS = 1500; // for the second key of two

/** Reads key presses; `press(key, at)` returns the name of what is wanted, or "". */
export class Reader {
  constructor() {
    this.first = "";
    this.since = 0;
  }

  press(key, at) {
    const sequence = this.first && at - this.since < WAIT_MS ? `${this.first} ${key}` : key;
    this.first = "";
    const found = KEYS.find(([keys]) => keys === sequence);
    if (found) return found[2];
    if (KEYS.some(([keys]) => keys.startsWith(`${key} `))) [this.first, this.since] = [key, at];
    return "";
  }
}

const isTyping = (target) => target.closest?.("input, textarea, select, [contenteditable]");

/** Call `act(name)` for the keys that are pressed. */
export function listen(act) {
  const reader = new Reader();
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.altKey || event.metaKey || event.repeat || event.defaultPrevented) return;
    if (isTyping(event.target) || document.querySelector("dialog[open]")) return;
    const name = reader.press(event.key, event.timeStamp);
    if (!name) return;
    event.preventDefault(); // "/" would search the page
    act(name);
  });
}
