// The commands: what cannot be taken back is confirmed in the page, and what becomes of each is said.
//
// A halt is sent until it is answered, under one id, so that the bot carries it out once. Everything else has a deadline
// and is not carried out after it: the page learns the server's time after the click, and sends the deadline along.

import { deadlineOf, question, sending, since, title, useless } from "./command-words.js";
import { url } from "./urls.js";

const WITHIN_MS = 3000; // until the server says how long
const GRACE_MS = 2000; // beyond the deadline, for the answer to come back
const HALT_ANSWER_MS = 5000; // for one try
const HALT_AGAIN_MS = 1000; // between two

const moment = () => ({ steady: performance.now(), wall: Date.now() });
const pause = (ms) => new Promise((resolve) => { setTimeout(resolve, ms); });

/** An id that no other command has; `crypto.randomUUID` is not there without TLS. */
function newId() {
  return [...crypto.getRandomValues(new Uint8Array(12))].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

async function post(body, ms) {
  const answer = await fetch(url("api/command"), {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify(body),
    keepalive: true, // it goes on its way also when the page is closed now
    signal: AbortSignal.timeout(ms),
  });
  const told = answer.headers.get("Content-Type")?.includes("json") ? await answer.json() : { error: await answer.text() };
  return { status: answer.status, told };
}

export class Commands {
  constructor(root = document) {
    this.buttons = [...root.querySelectorAll("[data-command]")];
    this.dialog = root.getElementById("confirm");
    this.toast = root.getElementById("toast");
    this.halting = null; // the halt that is being sent
    this.state = "";
    this.titles = new Map(this.buttons.map((button) => [button, button.title]));
    this.bar = root.getElementById("halting");
    this.bar.querySelector("button").addEventListener("click", () => this.stopHalting("Halt: canceled here; what was sent may still be carried out.", "bad"));
    for (const button of this.buttons) {
      button.addEventListener("click", () => this.ask(button.dataset.command));
    }
    this.dialog.addEventListener("close", () => {
      if (this.dialog.returnValue === "yes") this.send(this.pending.command, root.getElementById("confirm-reason").value.trim(), this.pending.symbol);
    });
    this.toast.addEventListener("click", () => { this.toast.hidden = true; });
    // Enter in the reason field must not press the first button, which is Cancel.
    root.getElementById("confirm-reason").addEventListener("keydown", (event) => {
      if (event.key === "Enter") event.preventDefault();
    });
    addEventListener("beforeunload", (event) => {
      if (this.halting) event.preventDefault(); // the browser asks: the halt has not been answered
    });
  }

  /** Offer what makes sense in this trading state, and nothing of a bot that has stopped; a halt also before it is known. */
  offer(state, running, loaded, noResume = "") {
    this.state = state;
    for (const button of this.buttons) {
      const { command } = button.dataset;
      const why = running ? useless(command, state, noResume) : "The bot has stopped.";
      button.disabled = Boolean(why) || (!loaded && command !== "halt");
      button.title = why || this.titles.get(button);
    }
    if (this.halting && state === "HALTED" && this.halting.from !== "HALTED") this.stopHalting("Halt: trading is HALTED.");
  }

  /** Send a command, after a question where it cannot be taken back. */
  ask(command, symbol = "") {
    const words = question(command, symbol);
    if (!words) {
      this.send(command, "", symbol);
      return;
    }
    this.pending = { command, symbol };
    document.getElementById("confirm-title").textContent = words[0];
    document.getElementById("confirm-text").textContent = words[1];
    document.getElementById("confirm-yes").textContent = words[2];
    document.getElementById("confirm-reason").value = "";
    this.dialog.returnValue = "";
    this.dialog.showModal();
  }

  /** Send a command, about one symbol or about all; `until` is when a lock ends. */
  send(command, reason, symbol = "", until = "") {
    return command === "halt" ? this.halt(reason) : this.sendInTime({ command, reason, symbol, until });
  }

  async sendInTime(wish) {
    const clicked = moment();
    const name = title(wish.command);
    this.say(`${name}: ${sending(1)}`, "wait");
    let deadline;
    let left = WITHIN_MS;
    try {
      const answer = await fetch(url("api/clock"), { signal: AbortSignal.timeout(WITHIN_MS), cache: "no-store" });
      const clock = await answer.json();
      if (!answer.ok) throw new Error(clock.error);
      deadline = deadlineOf(clock, since(clicked, moment()));
      left = clock.within_ms - since(clicked, moment());
    } catch {
      this.say(`${name}: not sent, and not carried out: the dashboard's server does not answer.${inTerminal(wish)}`, "bad");
      return;
    }
    if (!deadline) {
      this.say(`${name}: not sent, and not carried out: the dashboard's server took too long to answer.${inTerminal(wish)}`, "bad");
      return;
    }
    try {
      const { status, told } = await post({ ...wish, id: newId(), deadline }, left + GRACE_MS);
      if (status >= 400) this.say(`${name}: ${String(told.error).trim()}`, "bad");
      else this.say(`${name}: ${told.answer}.`, told.changed ? "" : "note");
    } catch {
      this.say(`${name}: no answer from the dashboard's server; whether it was carried out is not known, and from now on it is not.${inTerminal(wish)}`, "bad");
    }
  }

  /** Send a halt until it is answered, the state is HALTED, or the user cancels it; a stream is not needed for that. */
  async halt(reason) {
    if (this.halting) return;
    const halting = this.halting = { id: newId(), from: this.state };
    this.toast.hidden = true;
    let trouble = "";
    for (let tries = 1; this.halting === halting; tries += 1) {
      this.showHalting(`Halt: ${sending(tries)}${trouble}`);
      const begun = moment();
      try {
        const { status, told } = await post({ command: "halt", reason, id: halting.id }, HALT_ANSWER_MS);
        if (this.halting !== halting) return;
        if (status === 200) {
          this.stopHalting(`Halt: ${told.answer}.`, told.changed ? "" : "note");
          return;
        }
        if (status === 400 || status === 403 || status === 413 || status === 421) {
          this.stopHalting(`Halt: ${String(told.error).trim()}`, "bad");
          return;
        }
        trouble = status === 202 ? " The bot has not answered yet." : ` ${String(told.error).trim()}`;
        if (status === 202 && told.answer.includes(";")) trouble += ` ${title(told.answer.split("; ")[1])}.`;
      } catch (problem) {
        trouble = problem.name === "TimeoutError" ? " The dashboard's server has not answered yet." : " The dashboard's server cannot be reached.";
        trouble += " “microbot halt” in a terminal may still get through.";
      }
      await pause(Math.max(0, HALT_AGAIN_MS - since(begun, moment())));
    }
  }

  showHalting(text) {
    const said = this.bar.querySelector("span");
    if (said.textContent !== text) said.textContent = text;
    this.bar.hidden = false;
  }

  stopHalting(text, tone = "") {
    this.halting = null;
    this.bar.hidden = true;
    this.say(text, tone);
  }

  /** Show what becomes of a command: a success for a moment, a failure until it is clicked away, `wait` until the next. */
  say(text, tone = "") {
    clearTimeout(this.fading);
    this.toast.textContent = text;
    this.toast.dataset.tone = tone;
    this.toast.hidden = false;
    if (tone === "wait" || tone === "bad") return;
    this.fading = setTimeout(() => { this.toast.hidden = true; }, tone ? 6000 : 4000);
  }
}

const inTerminal = ({ command, symbol }) => ` In a terminal, “microbot ${command}${symbol && ` ${symbol}`}” may get through.`;
