// The stretch of time that a strategy looks at, shaded behind the prices. A primitive of the chart library.

export class Shade {
  constructor() {
    this.from = this.to = null; // the first and the last slot of the time axis, whole numbers
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

  /** Shade from one slot of the time axis to another; null: nothing. */
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
    const half = this.timeScale.options().barSpacing / 2;
    const left = this.timeScale.logicalToCoordinate(this.from) - half;
    const right = this.timeScale.logicalToCoordinate(this.to) + half;
    target.useMediaCoordinateSpace(({ context, mediaSize }) => {
      context.fillStyle = this.colour;
      context.fillRect(left, 0, right - left, mediaSize.height);
    });
  }
}
