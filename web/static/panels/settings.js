// The settings in force, read-only, each with where it came from.

import { html, render } from "../vendor/lit-html/lit-html.js";
import { found } from "../inside.js";
import { url } from "../urls.js";

export class Settings {
  constructor(section) {
    this.section = section;
    this.settings = [];
    this.search = "";
    this.changed = false;
    this.trouble = "";
    this.draw();
  }

  async look() {
    try {
      const answer = await fetch(url("api/settings"), { cache: "no-store" });
      if (!answer.ok) throw new Error(answer.statusText);
      this.settings = (await answer.json()).settings;
      this.trouble = "";
    } catch {
      this.trouble = "The settings cannot be read: the dashboard's server does not answer.";
    }
    this.draw();
  }

  draw() {
    const shown = found(this.settings, this.search, this.changed);
    render(html`
      <details @toggle=${(event) => { if (event.target.open) this.look(); }}>
        <summary><h2 id="settings-title">Settings in force</h2></summary>
        <div class="filters">
          <input type="search" placeholder="Search: risk, stop, --set …" aria-label="Search the settings" @input=${(event) => { this.search = event.target.value; this.draw(); }}>
          <label><input type="checkbox" @change=${(event) => { this.changed = event.target.checked; this.draw(); }}> only what is no default</label>
          <span class="muted" role="status">${this.trouble || `${shown.length} of ${this.settings.length}`}</span>
        </div>
        <div class="scroll" tabindex="0" role="region" aria-labelledby="settings-title">
          <table>
            <thead><tr><th scope="col">Setting</th><th scope="col">Value</th><th scope="col">Default</th><th scope="col">Where it came from</th></tr></thead>
            <tbody>${shown.map((one) => html`
              <tr data-origin=${one.origin === "default" ? "default" : "set"}><td><span class="muted">${one.section}.</span>${one.key}</td><td>${one.value}</td><td class="muted">${one.default === one.value ? "" : one.default}</td><td>${one.origin}</td></tr>`)}
            </tbody>
          </table>
        </div>
      </details>`, this.section);
  }
}
