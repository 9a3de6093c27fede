"""What goes down the pipe from the bot to the notifier; up goes only `web.messages.Listening`."""

from __future__ import annotations

import msgspec

from actors.messages import FeedChanged, StateChanged
from service.notify_settings import NotifySettings


class Configured(msgspec.Struct, frozen=True, tag="configured", tag_field="type"):
    """What the notifier is to do: the first message. A pipe is nobody else's to read, so the addresses are in it."""

    settings: NotifySettings
    folder: str  # the data folder
    pid: int  # of the bot
    run: int  # the journal's number for its first session; 0 without a journal


class Beat(msgspec.Struct, frozen=True, tag="beat", tag_field="type"):
    """How the bot is, by its loop, about once a second: while a strategy is stuck, there is none.

    Everything in it is a state, not a change, so that none is lost with a message or a notifier.
    """

    run: int
    date: str  # of the trading day; empty before the first
    day_pnl: float  # open profit included
    day_limit: float  # the P/L at which trading ends for the day, below zero; 0: none
    held: tuple[str, ...] = ()  # what is open, in words: the journal may be what cannot be written
    feed: FeedChanged | None = None
    state: StateChanged | None = None  # the newest
    state_run: int = 0  # of which it is


class Ended(msgspec.Struct, frozen=True, tag="ended", tag_field="type"):
    """The bot ends in order, or says why it failed. A pipe that ends without it is of a bot that died."""

    failure: str = ""


FromBot = Configured | Beat | Ended
