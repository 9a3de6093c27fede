"""What strategies may hear of a symbol beside their own ticks: its quotes, and its ticks where another's listens."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar

from reactivex import Observable, abc

from pipeline.clock import SymbolClock
from pipeline.events import Quote, Trade
from pipeline.externals import Externals
from pipeline.operators.lift import Callbacks, Direct, Scheduler, Source
from pipeline.strategy import Streams

Out = TypeVar("Out")


class SymbolStreams:
    """One symbol's quotes and ticks, for whichever strategies listen; `heard` says whether any does.

    It exists before the symbol itself is heard of: another one's strategy may ask for it first.
    """

    def __init__(self) -> None:
        self.heard = False
        self.quotes: Source[Quote] = _Counted(self._count)
        self.ticks: Source[Trade] = _Counted(self._count)
        self.externals = Externals()  # what was said of it from outside
        self._changed: Callable[[], None] | None = None

    def follow(self, changed: Callable[[], None]) -> None:
        """Call `changed` whenever `heard` may have."""
        self._changed = changed

    def _count(self) -> None:
        self.heard = self.quotes.is_observed or self.ticks.is_observed
        if self._changed is not None:
            self._changed()

    def tell(self, tick: Trade, *, quoted: bool) -> None:
        """Emit a tick, and before it the quote that came with it."""
        if quoted:
            self.quotes.on_next(Quote(tick.symbol, tick.ts, tick.bid, tick.ask))  # type: ignore[arg-type]
        self.ticks.on_next(tick)

    def of(self, clock: SymbolClock, ticks: Observable[Trade] | None, market: Callable[[str], Streams]) -> Streams:
        """Return them as the strategy of `clock` hears them; `ticks` are its own, None for those of another symbol."""
        return Streams(
            ticks=ticks if ticks is not None else _Borrowed(self.ticks, clock),
            quotes=_Borrowed(self.quotes, clock),
            clock=clock,
            market=market,
        )


class _Counted(Source[Any]):
    """A source that tells when its observers change."""

    def __init__(self, changed: Callable[[], None]) -> None:
        super().__init__()
        self._changed = changed

    def _set(self, observers: tuple[Callbacks, ...]) -> None:
        super()._set(observers)
        self._changed()


class _Borrowed(Direct[Out]):
    """A stream that several strategies hear: what one of them raises is its own fault, and the others hear it all."""

    def __init__(self, source: Observable[Out], clock: SymbolClock) -> None:
        super().__init__()
        self._source = source
        self._clock = clock

    def attach(self, observer: Callbacks, scheduler: Scheduler) -> abc.DisposableBase:
        clock, on_next = self._clock, observer.on_next

        def heard(value: Any) -> None:
            with clock.clock.working_for(clock.symbol_index):
                clock.guarded(partial(on_next, value))

        return self._source.subscribe(heard, observer.on_error, observer.on_completed, scheduler=scheduler)
