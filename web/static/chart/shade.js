// The stretch of time that a strategy looks at, shaded behind the prices. A primitive of the chart library.

export class Shade {
  constructor() {
    this.from = this.to = null; // logical indices on the time axis
    this.colour = "transparent";
    /** @type {import("lightweight-charts").IPrimitivePaneView[]} */
    this.views = [{ zOrder: () => "bottom", renderer: () => this }];
  }

  attached({ chart, requestUpdate }) {
    this.timeScale = chart.timeScale();
    this.requestUpdate = requestUpdate;
  }

  detached() {
    this.timeScale = this.requestUpdate = null;
  }

  /** Shade between two places on the time axis; null: nothing. */
  between(from, to) {
    if (from === this.from && to === this.to) return;
    this.from = from;
    this.to = to;
    this.requestUpdate?.();
  }

  paneViews() {
    return this.from === null ? [] : this.views;
  }

  draw(target) {
    const left = this.timeScale.logicalToCoordinate(this.from);
    const right = this.timeScale.logicalToCoordinate(this.to);
    if (left === null || right === null || right <= left) return;
    target.useMediaCoordinateSpace(({ context, mediaSize }) => {
      context.fillStyle = this.colour;
      context.fillRect(left, 0, right - left, mediaSize.height);
    });
  }
}
