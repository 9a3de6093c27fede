// The sheet behind "?": the keys, and what a viewer may choose.

import { choose, chosen } from "../choices.js";
import { KEYS } from "../keys.js";
import { url } from "../urls.js";
import { html, render } from "../vendor/lit-html/lit-html.js";

const THEMES = [["auto", "As the system"], ["light", "Light"], ["dark", "Dark"]];

export class View {
  /** `zones` says in which times may be shown. */
  constructor(zones, alerts) {
    this.zones = zones;
    this.alerts = alerts;
    this.locked = false;
    this.dialog = /** @type {HTMLDialogElement} */ (document.getElementById("view"));
    document.getElementById("view-open").addEventListener("click", () => this.open());
    this.dialog.addEventListener("click", (event) => { if (event.target === this.dialog) this.dialog.close(); });
  }

  async open() {
    this.draw();
    this.dialog.showModal();
    const answer = await fetch(url("api/login")).catch(() => null);
    this.locked = answer?.ok ? (await answer.json()).locked : false;
    this.draw();
  }

  pick(name, value) {
    choose(name, value);
    if (name === "theme") dispatchEvent(new Event("themechosen"));
    if (name === "times") location.reload(); // a row keeps its time for as long as it is shown
    if (name === "sound" && value === "on") this.alerts.play("opened"); // so that it is known, and allowed by the click
    this.draw();
  }

  async notify(wanted) {
    if (wanted && Notification.permission === "default") await Notification.requestPermission();
    this.pick("notify", wanted && Notification.permission === "granted" ? "on" : "off");
  }

  async leave() {
    await fetch(url("api/login"), { method: "DELETE" });
    location.reload();
  }

  radios(name, legend, options) {
    return html`<fieldset><legend>${legend}</legend>${options.map(([value, words]) => html`
      <label><input type="radio" name=${name} value=${value} .checked=${chosen(name) === value} @change=${() => this.pick(name, value)}> ${words}</label>`)}</fieldset>`;
  }

  draw() {
    const { viewer, venue } = this.zones;
    const refused = typeof Notification === "undefined" || Notification.permission === "denied";
    const place = (zone) => zone.replace("_", " ");
    render(html`
      <form method="dialog">
        <div class="view-head"><h2 id="view-title">Keys and view</h2><button type="submit" class="small">Close</button></div>
        <dl class="keys">${KEYS.map(([keys, words]) => html`<div><dt>${keys.split(" ").map((key) => html`<kbd>${key}</kbd>`)}</dt><dd>${words}</dd></div>`)}</dl>
        ${this.radios("theme", "Theme", THEMES)}
        ${this.radios("times", "Times", [["venue", `Exchange (${place(venue)})`], ["viewer", `Yours (${place(viewer)})`]])}
        <fieldset><legend>Fills and halts</legend>
          <label><input type="checkbox" name="sound" .checked=${chosen("sound") === "on"} @change=${(event) => this.pick("sound", event.target.checked ? "on" : "off")}> Sound</label>
          <label><input type="checkbox" name="notify" .checked=${chosen("notify") === "on"} ?disabled=${refused} @change=${(event) => this.notify(event.target.checked)}> Notification${refused ? " (blocked by this browser)" : ""}</label>
        </fieldset>
        ${this.locked ? html`<button type="button" class="small" @click=${() => this.leave()}>Log out</button>` : ""}
      </form>`, this.dialog);
  }
}
