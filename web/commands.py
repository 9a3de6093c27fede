"""What becomes of the commands that a browser sends: they go to the bot, once each, and not after their time.

GET  /api/clock    this machine's time, from which a page tells until when a command of its own may be carried out
POST /api/command  200 with what it did; 202 where a halt is not answered yet, and goes on to be carried out;
                   504 if it was not answered in time, and is not carried out any more; 502 if the bot ended before
                   it said; 409 if it came too late
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Annotated

import msgspec
from aiohttp import web
from msgspec import Meta

from actors.messages import COMMANDS, RESTART, SYMBOL_COMMANDS, Command, RestartChain
from web.answers import NoAnswer
from web.deadline import Moment
from web.http import body_of, json_answer, refused
from web.hub import Hub
from web.messages import Answered, Asked, SymbolWish
from web.settings import WebSettings

SendCommand = Callable[[Asked], bool]
"""Passes a command on to the bot; False if the bot does not take any at present."""

UNTIMED = ("halt",)
"""Commands that are carried out however late: better late than never."""

_PAST_LOOP_S = 1.0
"""Seconds after which a halt that the bot's loop has not answered goes past it."""

_GRACE_S = 0.25
"""Seconds beyond the deadline in which an answer may be on its way; nothing is carried out in them."""


class CommandRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The body of `POST /api/command`."""

    command: str
    reason: Annotated[str, Meta(max_length=200)] = ""
    symbol: Annotated[str, Meta(max_length=64)] = ""  # that `restart`, `flatten`, `lock` or `unlock` is about
    until: Annotated[str, Meta(max_length=40)] = ""  # of `lock`: HH:MM, where the exchange is
    id: Annotated[str, Meta(max_length=64)] = ""  # what is sent again under the same id is carried out once
    deadline: Moment | None = None  # from `GET /api/clock`; at the latest `answer_timeout_s` from now


class Commands:
    """Takes commands from browsers, passes them on, and says what became of them. `now` reads the machine's clocks."""

    def __init__(self, settings: WebSettings, hub: Hub, send: SendCommand, now: Callable[[], Moment]) -> None:
        self._within_s = settings.answer_timeout_s
        self._hub = hub
        self._send = send
        self._now = now
        self.send_past_loop: SendCommand | None = None  # likewise, to a thread of the bot; it takes halts alone
        self._halts: set[asyncio.Task[web.Response]] = set()  # under way, also those whose browsers have left

    def add_to(self, router: web.UrlDispatcher) -> None:
        """Serve the paths."""
        router.add_get("/api/clock", self._clock)
        router.add_post("/api/command", self._command)

    async def _clock(self, _request: web.Request) -> web.Response:
        return json_answer({"now": self._now(), "within_ms": round(self._within_s * 1_000)})

    async def _command(self, request: web.Request) -> web.Response:
        if request.content_type != "application/json":
            return refused(415, "Send the command as application/json.")
        came = self._now()
        try:
            wish = msgspec.json.decode(await body_of(request), type=CommandRequest)
        except msgspec.MsgspecError as problem:
            return refused(400, f"That is not a command: {problem}.")
        if fault := _fault_of(wish):
            return refused(400, fault)
        if wish.command in UNTIMED:
            return await self._halted(wish)
        deadline = came.after(self._within_s)
        if wish.deadline is not None:
            deadline = deadline.no_later_than(wish.deadline)
        if deadline.is_past(self._now()):
            return refused(409, "It came too late, and was not carried out.")
        return await self._carried_out(wish, deadline)

    async def _halted(self, wish: CommandRequest) -> web.Response:
        """Have the bot halt, also if the browser leaves meanwhile. What goes past the loop needs an id: it gets one."""
        wish = wish if wish.id else msgspec.structs.replace(wish, id=self._hub.new_name())
        halt = asyncio.create_task(self._carried_out(wish, None), name="halt")
        self._halts.add(halt)
        halt.add_done_callback(self._halts.discard)
        return await asyncio.shield(halt)

    async def _carried_out(self, wish: CommandRequest, deadline: Moment | None) -> web.Response:
        """Have the bot carry a command out; answer with what became of it."""
        hub = self._hub
        # The bot stamps the time when it takes the command in; nothing here knows venue time well enough.
        command = _command_of(wish)
        with hub.answers.awaited() as (ticket, answer):
            asked = Asked(ticket, command, wish.id, deadline)
            past_loop = self.send_past_loop if deadline is None else None
            if not hub.model.running or not (self._send(asked) or (past_loop is not None and past_loop(asked))):
                return refused(503, "The bot takes no commands at present.")
            try:
                async with asyncio.timeout(self._patience_s(deadline)):
                    if past_loop is not None:
                        await asyncio.wait([answer], timeout=_PAST_LOOP_S)
                        if not answer.done():
                            past_loop(asked)
                    answered = await answer
            except NoAnswer as why:
                return refused(502, f"{why} before it answered: it may have carried that out.")
            except TimeoutError:
                return self._unanswered(wish, deadline)
        return _told(wish, answered)

    def _patience_s(self, deadline: Moment | None) -> float:
        """Return the seconds in which to wait for an answer: of a halt also for one from beside the loop."""
        if deadline is not None:
            return (deadline.monotonic_ms - self._now().monotonic_ms) / 1_000 + _GRACE_S
        return self._within_s if self.send_past_loop is None else max(self._within_s, 2 * _PAST_LOOP_S)

    def _unanswered(self, wish: CommandRequest, deadline: Moment | None) -> web.Response:
        past = f"`microbot {wish.command}` in a terminal gets past a strategy that is stuck"
        if deadline is None:
            said = f"sent, but the bot has not answered yet: it carries it out as soon as it can; {past}"
            return json_answer({"command": wish.command, "changed": None, "answer": said}, 202)
        said = f"The bot did not answer within {self._within_s:g} s: it is not carried out any more"
        return refused(504, f"{said}; {past}." if wish.command == "flatten" and not wish.symbol else f"{said}.")


def _told(wish: CommandRequest, answered: Answered) -> web.Response:
    if answered.wrong:
        return refused(404, answered.sentence)
    if answered.late:
        return refused(409, answered.sentence)
    return json_answer({"command": wish.command, "changed": answered.changed, "answer": answered.sentence})


def _fault_of(wish: CommandRequest) -> str:
    """Say what is wrong with a command; empty if nothing is."""
    known = tuple(dict.fromkeys((*COMMANDS, RESTART, *SYMBOL_COMMANDS)))
    if wish.command not in known:
        return f"Unknown command {wish.command[:40]!r}: it is one of {', '.join(known)}."
    if not wish.reason.isprintable():
        return "The reason must be one line of printable text."
    if not wish.id.isprintable():
        return "The id must be printable text."
    if wish.command not in (*COMMANDS, RESTART) and not wish.symbol:
        return f"Name the symbol to {wish.command}."
    if wish.symbol and wish.command not in (RESTART, *SYMBOL_COMMANDS):
        return f"The command {wish.command} is for the whole bot: leave the symbol out."
    return "" if not wish.until or wish.command == "lock" else f"The command {wish.command} has no time to end at."


def _command_of(wish: CommandRequest) -> Command | RestartChain | SymbolWish:
    if wish.command == RESTART:
        return RestartChain(wish.symbol, 0, wish.reason)
    if wish.symbol:
        return SymbolWish(wish.command, wish.symbol, wish.until, "dashboard", wish.reason)
    return Command(wish.command, 0, "dashboard", wish.reason)
