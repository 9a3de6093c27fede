"""`python -m bench.pictures`: draw each strategy of the cookbook on its tape, as docs/cookbook/NAME.svg."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import NamedTuple
from xml.sax.saxutils import escape

from actors.engine.core import Core
from actors.messages import Fact, PositionClosed, SignalRaised
from bench.results import ROOT
from examples.tapes import OPEN, SECOND, TAPES
from pipeline.events import Side, Trade
from pipeline.operators.frame import Frame
from service import settings, strategies

OUT = ROOT / "docs" / "cookbook"
WIDTH, LEFT, RIGHT = 760, 62, 12
PRICE, PANEL, GAP, TOP, BOTTOM = 190, 62, 16, 26, 26
LONG, SHORT, LINE, FAINT, INK = "#1a7f4b", "#c0392b", "#34495e", "#d5dbe1", "#52606d"
OVERLAYS = ("#2874c7", "#d98200")


class Shown(NamedTuple):
    """What a picture shows beside the price: readings in its scale, and others below, each with lines of its own."""

    overlays: tuple[str, ...] = ()
    panels: tuple[tuple[str, tuple[float, ...]], ...] = ()


PICTURES = {
    "rsi_filter": Shown(panels=(("momentum", (0.0005, -0.0005)), ("rsi", (70, 30)))),
    "ema_cross": Shown(("fast", "slow"), (("spread", (0.0004,)),)),
    "book_lean": Shown(panels=(("momentum", (0.0005, -0.0005)), ("imbalance", (0.5, -0.5)), ("spread", (0.0003,)))),
    "trailing": Shown(panels=(("momentum", (0.0005, -0.0005)),)),
    "fade": Shown(panels=(("z", (3, -3)),)),
    "opening_range": Shown(("high", "low"), (("left", (60,)),)),
    "market_filter": Shown(panels=(("momentum", (0.0005, -0.0005)), ("spy", (0.0001, -0.0001)))),
    "trend_spike": Shown(panels=(("volume", (3,)), ("trend", (0,)))),
}

Points = list[tuple[float, float]]


class Course:
    """What happened on a tape: prices, readings, signals and exits, by seconds since the open."""

    def __init__(self, name: str) -> None:
        self.prices: Points = []
        self.readings: dict[str, Points] = {}
        self.signals: list[tuple[float, float, Side]] = []
        self.exits: list[tuple[float, float, str]] = []
        effective = settings.load(environment={})
        strategy = strategies.load(str(ROOT / "examples" / f"{name}.py:strategy"), effective.strategy)
        core = Core(effective.core, strategy, self._take)
        shown: Frame | None = None
        for event in TAPES[name]():
            core.run([event])
            if event.symbol != "XYZ":
                continue
            if isinstance(event, Trade):
                self.prices.append((_seconds(event.ts), event.price))
            frame = core.contexts["XYZ"].probe.frame if "XYZ" in core.contexts else None
            if frame is not None and frame is not shown:
                shown = frame
                self._read(frame)

    def _read(self, frame: Frame) -> None:
        if frame.count > 1:
            self.readings.setdefault("momentum", []).append((_seconds(frame.ts), frame.momentum))
        for name, value in frame.values.items():
            self.readings.setdefault(name, []).append((_seconds(frame.ts), value))

    def _take(self, fact: Fact) -> None:
        if isinstance(fact, SignalRaised):
            self.signals.append((_seconds(fact.signal.ts), fact.signal.price, fact.signal.side))
        elif isinstance(fact, PositionClosed):
            self.exits.append((_seconds(fact.exit_ts), float(fact.exit_price), fact.exit_reason))


def _seconds(ts: int) -> float:
    return (ts - OPEN) / SECOND


class Scale(NamedTuple):
    """From values to pixels: `low` is drawn at the bottom, `high` at the top of a panel."""

    top: float
    height: float
    low: float
    high: float

    @classmethod
    def of(cls, top: float, height: float, values: Iterable[float]) -> Scale:
        found = list(values)
        low, high = min(found), max(found)
        room = (high - low or abs(high) or 1.0) * 0.08
        return cls(top, height, low - room, high + room)

    def y(self, value: float) -> float:
        return self.top + self.height * (self.high - value) / (self.high - self.low)


class Drawing:
    """The picture that grows."""

    def __init__(self, title: str, height: int, last: float) -> None:
        self._last = last
        self.parts = [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}" '
            f'font-family="sans-serif" font-size="11" role="img" aria-label="{escape(title)}">',
            f'<rect width="{WIDTH}" height="{height}" fill="#fff"/>',
        ]

    def x(self, seconds: float) -> float:
        return LEFT + (WIDTH - LEFT - RIGHT) * seconds / self._last

    def text(self, x: float, y: float, said: str, color: str = INK, anchor: str = "start") -> None:
        place = f'x="{x:.0f}" y="{y:.0f}" fill="{color}" text-anchor="{anchor}"'
        self.parts.append(f'<text {place} paint-order="stroke" stroke="#fff" stroke-width="3">{escape(said)}</text>')

    def frame(self, scale: Scale) -> None:
        self.parts.append(
            f'<rect x="{LEFT}" y="{scale.top:.0f}" width="{WIDTH - LEFT - RIGHT}" height="{scale.height:.0f}" '
            f'fill="none" stroke="{FAINT}"/>'
        )

    def line(self, points: Points, scale: Scale, color: str, steps: bool = False) -> None:
        """Draw a series, a point a pixel at most."""
        placed: list[str] = []
        before = (-1, 0.0)
        for seconds, value in points:
            here = (round(self.x(seconds)), round(scale.y(value), 1))
            if here[0] == before[0] or here == before:
                continue
            if steps and placed:
                placed.append(f"{here[0]},{before[1]:g}")
            placed.append(f"{here[0]},{here[1]:g}")
            before = here
        self.parts.append(f'<polyline fill="none" stroke="{color}" stroke-width="1.2" points="{" ".join(placed)}"/>')

    def level(self, value: float, scale: Scale) -> None:
        y = scale.y(value)
        if scale.top <= y <= scale.top + scale.height:
            self.parts.append(f'<path d="M{LEFT} {y:.1f}H{WIDTH - RIGHT}" stroke="{INK}" stroke-dasharray="3 3"/>')
            self.text(LEFT - 4, y + 4, _number(value), anchor="end")

    def mark(self, seconds: float, y: float, side: Side) -> None:
        x, up = self.x(seconds), side is Side.LONG
        tip, base = (y + 6, y + 17) if up else (y - 6, y - 17)
        corners = f"M{x:.1f} {tip:.1f}L{x - 6:.1f} {base:.1f}H{x + 6:.1f}Z"
        self.parts.append(f'<path d="M{x:.1f} {TOP}V{tip:.1f}" stroke="{FAINT}"/>')
        self.parts.append(f'<path d="{corners}" fill="{LONG if up else SHORT}"/>')

    def cross(self, seconds: float, y: float, reason: str) -> None:
        x = self.x(seconds)
        self.parts.append(
            f'<path d="M{x - 4:.1f} {y - 4:.1f}l8 8m0 -8l-8 8" stroke="{INK}" stroke-width="1.6" fill="none"/>'
        )
        self.text(x, y - 8, reason, anchor="middle")


def _number(value: float) -> str:
    return f"{value * 100:.3g} %" if 0 < abs(value) < 0.01 else f"{value:g}"


def draw(name: str) -> str:
    """Return the picture of a strategy on its tape."""
    course, shown = Course(name), PICTURES[name]
    last = course.prices[-1][0]
    height = TOP + PRICE + len(shown.panels) * (PANEL + GAP) + BOTTOM
    drawing = Drawing(f"{name}: price, readings and signals", height, last)
    over = [value for overlay in shown.overlays for _, value in course.readings[overlay]]
    scale = Scale.of(TOP, PRICE, [*(price for _, price in course.prices), *over])
    drawing.frame(scale)
    for price in _rounded(scale.low, scale.high):
        drawing.text(LEFT - 4, scale.y(price) + 4, f"{price:.2f}", anchor="end")
    for seconds, price, side in course.signals:
        drawing.mark(seconds, scale.y(price), side)
    drawing.line(course.prices, scale, LINE)
    drawing.text(LEFT, TOP - 8, "price", LINE)
    for place, (overlay, color) in enumerate(zip(shown.overlays, OVERLAYS, strict=False)):
        drawing.line(course.readings[overlay], scale, color)
        drawing.text(LEFT + 40 * (place + 1), TOP - 8, overlay, color)
    drawing.text(WIDTH - RIGHT, TOP - 8, "triangles: signals, LONG up and SHORT down; crosses: exits", anchor="end")
    for seconds, price, reason in course.exits:
        drawing.cross(seconds, scale.y(price), reason)
    top = TOP + PRICE + GAP
    for reading, levels in shown.panels:
        _panel(drawing, top, reading, course.readings[reading], levels)
        top += PANEL + GAP
    _times(drawing, height, last)
    return "\n".join([*drawing.parts, "</svg>\n"])


def _panel(drawing: Drawing, top: float, name: str, points: Points, levels: Sequence[float]) -> None:
    scale = Scale.of(top, PANEL, [*(value for _, value in points), *levels])
    drawing.frame(scale)
    for level in levels:
        drawing.level(level, scale)
    drawing.line(points, scale, OVERLAYS[0], steps=True)
    drawing.text(LEFT + 4, top + 12, name, OVERLAYS[0])


def _rounded(low: float, high: float) -> list[float]:
    """Return a few round prices within a range."""
    step = next(s for s in (0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10) if (high - low) / s <= 6)
    return [n * step for n in range(int(low / step) + 1, int(high / step) + 1)]


def _times(drawing: Drawing, height: int, last: float) -> None:
    step = next(s for s in (30, 60, 120, 300, 3_600, 7_200) if last / s <= 8)
    for n in range(int(last // step) + 1):
        clock = datetime(2026, 1, 5, 9, 30) + timedelta(seconds=n * step)  # noqa: DTZ001  # New York's, for show
        said = clock.strftime("%H:%M" if step >= 3_600 else "%H:%M:%S")
        drawing.text(drawing.x(n * step), height - 10, said, anchor="start" if n == 0 else "middle")


def main(names: Sequence[str], out: Path = OUT) -> None:
    """Draw the pictures that are named, or all."""
    out.mkdir(exist_ok=True)
    for name in names or PICTURES:
        (out / f"{name}.svg").write_text(draw(name), encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
