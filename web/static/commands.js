// The command buttons: what cannot be taken back is confirmed in the page, and every answer is said aloud.

import { url } from "./urls.js";

const CONFIRM = {
  flatten: ["Flatten every position?", "All open positions are closed at once, at the market, and trading is then paused until you resume it.", "Flatten now"],
  halt: ["Halt trading?", "All open positions are closed at once, at the market, and no entry is made until you resume, across days and restarts.", "Halt now"],
};

const ANSWER_MS = 8000; // within which the server says what became of a command: it waits for the bot for two seconds

const USELESS = { PAUSED: "pause", ACTIVE: "resume", REDUCING: "reduce", HALTED: "halt" };

export class Commands {
  constructor(root = document) {
    this.buttons = [...root.querySelectorAll("[data-command]")];
    this.dialog = root.getElementById("confirm");
    this.toast = root.getElementById("toast");
    for (const button of this.buttons) {
      button.addEventListener("click", () => this.ask(button.dataset.command));
    }
    this.dialog.addEventListener("close", () => {
      if (this.dialog.returnValue === "yes") this.send(this.pending, root.getElementById("confirm-reason").value.trim());
    });
    this.toast.addEventListener("click", () => { this.toast.hidden = true; });
    // Enter in the reason field must not press the first button, which is Cancel.
    root.getElementById("confirm-reason").addEventListener("keydown", (event) => {
      if (event.key === "Enter") event.preventDefault();
    });
  }

  /** Offer what makes sense in this trading state, and nothing while the bot is not connected. */
  offer(state, reachable) {
    for (const button of this.buttons) {
      button.disabled = !reachable || USELESS[state] === button.dataset.command;
    }
  }

  ask(command) {
    const words = CONFIRM[command];
    if (!words) {
      this.send(command, "");
      return;
    }
    this.pending = command;
    document.getElementById("confirm-title").textContent = words[0];
    document.getElementById("confirm-text").textContent = words[1];
    document.getElementById("confirm-yes").textContent = words[2];
    document.getElementById("confirm-reason").value = "";
    this.dialog.returnValue = "";
    this.dialog.showModal();
  }

  async send(command, reason, symbol = "") {
    const name = `${command.charAt(0).toUpperCase()}${command.slice(1)}`;
    this.say(`${name}: sending…`, "wait");
    try {
      const answer = await fetch(url("api/command"), {
        method: "POST",
        headers: { "Content-Type": "application/json" },
        body: JSON.stringify({ command, reason, symbol }),
        keepalive: true, // it goes on its way also when the page is closed now
        signal: AbortSignal.timeout(ANSWER_MS),
      });
      const told = answer.headers.get("Content-Type")?.includes("json") ? await answer.json() : { error: await answer.text() };
      if (!answer.ok) this.say(`${name}: ${String(told.error).trim()}`, "bad");
      else this.say(`${name}: ${told.answer}.`, told.changed === null ? "bad" : told.changed ? "" : "note");
    } catch (problem) {
      const what = problem.name === "TimeoutError" ? `no answer within ${ANSWER_MS / 1000} s` : "no answer from the dashboard's server";
      this.say(`${name}: ${what}; whether it was carried out is not known. In a terminal, \u201cmicrobot ${command}${symbol && ` ${symbol}`}\u201d may still get through.`, "bad");
    }
  }

  /** Show what becomes of a command: a success for a moment, a failure until it is clicked away, `wait` until the next. */
  say(text, tone = "") {
    clearTimeout(this.fading);
    this.toast.textContent = text;
    this.toast.dataset.tone = tone;
    this.toast.hidden = false;
    if (tone === "wait" || tone === "bad") return;
    this.fading = setTimeout(() => { this.toast.hidden = true; }, tone ? 6000 : 3000);
  }
}
