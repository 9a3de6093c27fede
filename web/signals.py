"""Signals from outside: a program that knows the secret tells a strategy something of a symbol.

POST /signals  200 with what became of it; 401 without a right signature; 400 for what is no signal; 413 for one that
               is too large; 409 for what comes too late, or is refused; 404 where nothing listens; 429 for too many;
               502, 503 and 504 if the bot did not take it

A request carries the time at which it is sent (seconds since 1970) and a signature of that and of its body:

    Signal-Timestamp: 1767625200
    Signal-Signature: hex of HMAC-SHA256(secret, "1767625200." + body)

The bot remembers the ids of what it took, so a signal that comes again, by whomever, is answered as before and does
nothing more; this process remembers none, and may be restarted at any time.
"""

from __future__ import annotations

import asyncio
import hmac
import math
import re
from collections.abc import Callable
from typing import Annotated

import msgspec
from aiohttp import web
from msgspec import Meta

from pipeline.events import LONGEST_GOOD_FOR, LONGEST_ID, LONGEST_SYMBOL, Side
from web.access import address_of
from web.answers import NoAnswer
from web.commands import SendCommand
from web.deadline import Moment
from web.http import body_of, json_answer, refused
from web.hub import Hub
from web.messages import Answered, Asked, SignalWish
from web.settings import AHEAD_S, SignalDoor, WebSettings
from web.tries import Bucket, Tries

SIGNALS = "/signals"

_AT_ONCE = 10
_GRACE_S = 0.25
"""Seconds beyond the deadline in which an answer may be on its way; nothing is taken in them."""

_TIME = re.compile(r"[0-9]{1,11}(\.[0-9]{1,9})?", re.ASCII)
_HOW = (
    'sign it with Signal-Timestamp (seconds since 1970) and Signal-Signature (hex of HMAC-SHA256 of "TIMESTAMP.BODY")'
)


class SignalRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The body of `POST /signals`: one of `side` and `value`."""

    name: Annotated[str, Meta(min_length=1, max_length=LONGEST_ID)]  # that a strategy listens to
    symbol: Annotated[str, Meta(min_length=1, max_length=LONGEST_SYMBOL)]
    id: Annotated[str, Meta(min_length=1, max_length=LONGEST_ID)]  # its own: what comes again under it is taken once
    ts: Annotated[float, Meta(ge=0, lt=1e11)]  # seconds since 1970, when it was made
    side: Side | None = None
    value: float | None = None
    good_for: Annotated[float, Meta(gt=0, le=LONGEST_GOOD_FOR)] | None = None  # seconds after `ts`


class Signals:
    """Takes signals in, passes them on, and says what became of them. `now` reads the machine's clocks."""

    def __init__(
        self,
        door: SignalDoor,
        settings: WebSettings,
        hub: Hub,
        send: SendCommand,
        now: Callable[[], Moment],
        clock: Callable[[], float],
    ) -> None:
        self._secret = door.secret.encode()
        self._max_age_s = door.settings.max_age_s
        self._within_s = settings.answer_timeout_s
        self._hub = hub
        self._send = send
        self._now = now
        self._clock = clock
        each_s = 60 / door.settings.per_minute
        self._taken = Bucket(min(_AT_ONCE, door.settings.per_minute), each_s, clock())
        self._wrong = Tries(clock)

    def add_to(self, router: web.UrlDispatcher) -> None:
        """Serve the path."""
        router.add_post(SIGNALS, self._signal)

    async def _signal(self, request: web.Request) -> web.Response:
        try:
            body = await body_of(request)
        except web.HTTPRequestEntityTooLarge:
            return refused(413, "The signal is too large: 4,096 bytes are enough for any.")
        came = self._now()
        sent = request.headers.get("Signal-Timestamp", "")
        shown = request.headers.get("Signal-Signature", "")
        if not self._is_signed(sent, shown, body):
            return self._unsigned(request, shown)
        if fault := self._fault_of_time(float(sent), came):
            return refused(409, fault)
        try:
            signal = msgspec.json.decode(body, type=SignalRequest)
        except (msgspec.MsgspecError, UnicodeDecodeError) as problem:
            return refused(400, f"That is no signal: {problem}.")
        if fault := _fault_of(signal):
            return refused(400, fault)
        if fault := self._fault_of_time(signal.ts, came, signal.good_for):
            return refused(409, fault)
        if wait_s := self._taken.wait_s(self._clock()):
            return _slower(wait_s, "Too many signals")
        self._taken.move(-1)
        left_s = min(self._left_s(float(sent), came), self._left_s(signal.ts, came, signal.good_for))
        return await self._passed_on(signal, came.after(min(self._within_s, left_s)))

    def _is_signed(self, sent: str, shown: str, body: bytes) -> bool:
        """Whether the signature is that of the time and the body, compared in constant time."""
        if not _TIME.fullmatch(sent):
            return False
        right = hmac.new(self._secret, sent.encode() + b"." + body, "sha256").hexdigest()
        return hmac.compare_digest(right.encode(), shown.strip().lower().encode(errors="replace"))

    def _unsigned(self, request: web.Request, shown: str) -> web.Response:
        """Refuse what has no right signature. Who has one is never kept waiting by those who have not."""
        if wait_s := self._wrong.begin(address_of(request)):
            return _slower(wait_s, "Too many wrong signatures")
        return refused(401, f"{'The signature is wrong' if shown else 'There is no signature'}: {_HOW}.")

    def _left_s(self, ts: float, now: Moment, good_for: float | None = None) -> float:
        most_s = self._max_age_s if good_for is None else min(self._max_age_s, good_for)
        return ts + most_s - now.wall_ms / 1_000

    def _fault_of_time(self, ts: float, now: Moment, good_for: float | None = None) -> str:
        age_s = now.wall_ms / 1_000 - ts
        if self._left_s(ts, now, good_for) < 0:
            return f"The signal is {age_s:,.1f} s old, which is too late ({self._max_age_s:g} s at most)."
        if -age_s > AHEAD_S:
            return f"The signal is of {-age_s:,.1f} s from now: set the sender's clock."
        return ""

    async def _passed_on(self, signal: SignalRequest, deadline: Moment) -> web.Response:
        """Have the bot take a signal; answer with what became of it."""
        hub = self._hub
        value = float(signal.side.sign) if signal.side is not None else signal.value or 0.0
        wish = SignalWish(signal.name, signal.symbol, value, signal.id, signal.ts, signal.good_for or 0.0)
        with hub.answers.awaited() as (ticket, answer):
            if not hub.model.running or not self._send(Asked(ticket, wish, "", deadline)):
                return refused(503, "The bot takes no signals at present.")
            left_s = (deadline.monotonic_ms - self._now().monotonic_ms) / 1_000
            try:
                async with asyncio.timeout(left_s + _GRACE_S):
                    return _told(signal, await answer)
            except NoAnswer as why:
                return refused(502, f"{why} before it answered: it may have taken the signal.")
            except TimeoutError:
                return refused(
                    504, "The bot did not answer in time: it takes the signal no more, but may have taken it."
                )


def _told(signal: SignalRequest, answered: Answered) -> web.Response:
    if answered.changed:
        return json_answer({"id": signal.id, "taken": True, "answer": answered.sentence})
    return refused(404 if answered.wrong else 409, answered.sentence)


def _fault_of(signal: SignalRequest) -> str:
    """Say what is wrong with a signal; empty if nothing is."""
    if (signal.side is None) == (signal.value is None):
        return 'Give one of side ("LONG" or "SHORT") and value (a number).'
    if not all(word.isprintable() for word in (signal.name, signal.symbol, signal.id)):
        return "Name, symbol and id must be printable text."
    return ""


def _slower(wait_s: float, what: str) -> web.Response:
    seconds = math.ceil(wait_s)
    answer = refused(429, f"{what}: try again in {seconds} s.")
    answer.headers["Retry-After"] = str(seconds)
    return answer
