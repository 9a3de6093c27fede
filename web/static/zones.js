// Times in the zone of the exchange or of the viewer, and the other one on hover.

import * as format from "./format.js";

const TIME = /^(\d\d):(\d\d)(:\d\d(?:\.\d+)?)?$/;

/** Minutes by which a zone's clock is ahead of UTC at a moment. */
export function offsetOf(zone, when) {
  const parts = new Intl.DateTimeFormat("en-GB", { timeZone: zone, timeZoneName: "longOffset" }).formatToParts(when);
  const found = /GMT(?:([+-])(\d\d):(\d\d))?/.exec(parts.find((part) => part.type === "timeZoneName").value);
  return found?.[1] ? (found[1] === "-" ? -1 : 1) * (Number(found[2]) * 60 + Number(found[3])) : 0;
}

/** A time of day so many minutes later, as it is written: "09:31:07" and 360 make "15:31:07". */
export function moved(text, minutes) {
  const [, hours, mins, rest = ""] = TIME.exec(text);
  const sum = (((Number(hours) * 60 + Number(mins) + minutes) % 1440) + 1440) % 1440;
  const two = (number) => String(number).padStart(2, "0");
  return `${two(Math.floor(sum / 60))}:${two(sum % 60)}${rest}`;
}

export class Zones {
  constructor() {
    this.venue = "UTC";
    this.viewer = Intl.DateTimeFormat().resolvedOptions().timeZone || "UTC";
    this.now = 0;
    document.addEventListener("pointerover", (event) => this.explain(event.target));
  }

  /** Take the exchange's zone, and which of the two is to be shown; `now` is the exchange's time in nanoseconds. */
  show(venue, which, now) {
    this.venue = venue;
    this.now = now;
    this.shown = which === "viewer" ? this.viewer : venue;
    this.other = which === "viewer" ? venue : this.viewer;
    format.setTimeZone(this.shown);
  }

  /** Say of a time that is pointed at what time it is in the other zone. */
  explain(target) {
    const text = target.textContent;
    if (!this.shown || this.shown === this.other || text.length > 12 || !TIME.test(text)) return;
    const when = new Date(this.now ? this.now / 1e6 : Date.now());
    const minutes = offsetOf(this.other, when) - offsetOf(this.shown, when);
    target.title = `${moved(text, minutes)} in ${this.other.replace("_", " ")}`;
  }
}
