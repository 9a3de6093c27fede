// When the parts of the page are drawn. What ticks change, prices above all and what is decided on them, is drawn five times a
// second at most, all of it together, so that the figures of a symbol are of one moment. Everything else is drawn at once.

export const TICKS_MS = 200;

/** Parts that no tick changes by itself, but a fill, a state, a command. */
const AT_ONCE = new Set(["everything", "fills", "status", "trades"]);

export class Pace {
  /** `draw(parts)` draws a set of parts by name; `clock` is in ms, and never goes back. */
  constructor(draw, { frame = (then) => { requestAnimationFrame(then); }, clock = () => performance.now() } = {}) {
    this.draw = draw;
    this.frame = frame;
    this.clock = clock;
    this.waiting = new Set(); // parts that are out of date
    this.releasedAt = -Infinity;
    this.timer = null; // until they are drawn
    this.asked = false; // whether they are drawn with the next frame of the screen
  }

  /** Note that parts are out of date. A hidden page has no frames: all is drawn in one when it is seen again. */
  mark(...parts) {
    for (const part of parts) this.waiting.add(part);
    if (parts.some((part) => AT_ONCE.has(part))) this.release();
    else if (this.waiting.size && !this.asked) this.timer ??= setTimeout(() => this.release(), Math.max(0, this.releasedAt + TICKS_MS - this.clock()));
  }

  /** Draw with the next frame of the screen. */
  release() {
    clearTimeout(this.timer);
    this.timer = null;
    if (this.asked) return;
    this.asked = true;
    this.releasedAt = this.clock();
    this.frame(() => {
      const parts = this.waiting;
      this.waiting = new Set();
      this.asked = false;
      this.draw(parts);
    });
  }
}
