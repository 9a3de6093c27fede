"""Why a symbol is not entered right now, or what becomes of what is held: one sentence, as the bot itself decides.

It is made here, so that `/api/state` says what the page says. Only what runs on by the second is left to who shows it:
`{left}` stands for the time until `until`.
"""

from __future__ import annotations

import msgspec

from actors.messages import FeedChanged, FeedState, Refusal, TradingState
from pipeline.events import SECOND, Reading
from web.messages import SLOW, UNUSED, GaugesSeen, NoEntry, OpenPosition
from web.readings import PLAIN, is_near, unmet
from web.words import reason as words_of

_OF_STATE = frozenset((*TradingState, Refusal.DRAWDOWN))
_FEED_WORDS = {
    FeedState.CONNECTING: "the feed is connecting",
    FeedState.STALE: "the feed is stale",
    FeedState.DOWN: "the feed is down",
}
_CHAIN_WORDS = {
    "FAILED": "the strategy failed",
    "REMOVED": "the strategy was removed",
    "RESTARTING": "the strategy failed and restarts soon",
}


class Why(msgspec.Struct, frozen=True, omit_defaults=True):
    """A code for machines, and the sentence."""

    code: str
    text: str
    until: int | None = None  # venue time, ns
    near: bool = False  # one condition is missing, and nearly met

    def sentence(self, now: int) -> str:
        """Return the sentence as it is at a venue time (ns)."""
        left = max(0, (self.until or now) - now) / SECOND
        return self.text.replace("{left}", countdown(left))


def countdown(seconds: float) -> str:
    """Return how long is left as the page writes it (`countdown` in static/format.js).

    >>> countdown(3.24), countdown(599), countdown(99_857)
    ('3.2 s', '9:59 min', '27 h 44 min')
    """
    if seconds < 100:
        return f"{seconds:.1f} s"
    hours, rest = divmod(int(seconds), 3600)
    minutes, whole = divmod(rest, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes}:{whole:02} min"


class Known(msgspec.Struct, frozen=True):
    """What is known of a symbol."""

    running: bool  # the bot is
    state: str  # a `TradingState`
    state_reason: str
    feed: FeedChanged
    chain: str
    no_entry: NoEntry | None
    position: OpenPosition | None
    gauges: GaugesSeen | None
    ticks: int
    now: int  # ns


def why(known: Known) -> Why:
    """Return the first of what rules an entry out; a position that is held comes before all of it."""
    if not known.running:
        return Why("STOPPED", "No entry: the bot has stopped")
    barrier = _state(known) or _feed(known) or _symbol(known)
    if known.position is not None:
        return _holding(known.position, known.now, barrier)
    found = barrier or _risk(known.no_entry) or _conditions(known)
    return msgspec.structs.replace(found, text=f"{'Ready' if found.code == 'READY' else 'No entry'}: {found.text}")


def _state(known: Known) -> Why | None:
    if known.state in ("", TradingState.ACTIVE):
        return None
    because = f" ({known.state_reason})" if known.state_reason else ""
    return Why(known.state, f"{words_of(known.state)}{because}")


def _feed(known: Known) -> Why | None:
    if known.feed.state is not FeedState.LIVE:
        return Why(Refusal.STALE_FEED, _FEED_WORDS[known.feed.state])
    return Why(Refusal.DELAYED_FEED, words_of(Refusal.DELAYED_FEED)) if known.feed.delay_s else None


def _symbol(known: Known) -> Why | None:
    """Return what keeps this symbol's strategy from signalling at all."""
    state, _, detail = known.chain.partition(": ")
    if state == UNUSED:
        return Why(UNUSED, f"ticks come, but {detail}")
    said = _CHAIN_WORDS.get(state)
    return Why(state, f"{said}: {detail}" if detail else said) if said else None


def _risk(no_entry: NoEntry | None) -> Why | None:
    if no_entry is None:
        return None
    code, why_so = no_entry.reason, no_entry.why
    if code == Refusal.COOLDOWN:
        left = no_entry.signals_left
        return Why(code, f"{words_of(code)}, {left} signal{'' if left == 1 else 's'} left to skip")
    if code == Refusal.POSITION_OPEN:  # and none is held
        return Why(code, "an entry order is under way")
    if code in _OF_STATE:  # which has changed since
        return None
    return Why(code, f"{words_of(code)}: {why_so}" if why_so else words_of(code))


def _holding(position: OpenPosition, now: int, barrier: Why | None) -> Why:
    due = position.time_stop_ts if position.time_stop_ts is not None else position.fallback_ts
    if due is None:
        text = "its exits decide when it is closed"
    elif due > now:
        text = "exits in {left} at the latest"
    else:
        text = "its exit is under way"
    then = f"; no entry after it: {barrier.text}" if barrier is not None else ""
    return Why("HOLDING", f"Holding: {text}{then}", due if due is not None and due > now else None)


def _conditions(known: Known) -> Why:
    gauges = known.gauges
    if not known.ticks:
        return Why("NO_TICK", "no tick has come in yet")
    if gauges is None:
        return Why("NO_READING", "its strategy has not signalled")
    if not gauges.ready:
        if gauges.count < gauges.min_ticks:
            return Why("WARMING_UP", f"warming up: {gauges.count} of {gauges.min_ticks} ticks")
        return Why("WARMING_UP", f"warming up: the window of {gauges.window_s:g} s is not full yet")
    wanted = [reading for reading in gauges.readings if reading.bound != "none"]
    missing = [reading for reading in wanted if not reading.passed]
    if not missing:
        slow = known.chain.startswith(SLOW)
        return Why("READY", "every condition was met at the last tick" + (", but the strategy is slow" if slow else ""))
    return _lacking(missing, len(wanted))


def _lacking(missing: list[Reading], of: int) -> Why:
    """Say which condition comes first in the pipe of those that are not met, and how many there are."""
    more = f" ({len(missing)} of {of} conditions not met)" if len(missing) > 1 else ""
    conditions = [reading for reading in missing if reading.bound not in PLAIN]
    near = len(missing) == 1 and bool(conditions) and is_near(conditions[0])
    return Why("CONDITIONS", unmet(missing[0]) + more + (", a near miss" if near else ""), near=near)
