"""The service manager that started the bot: it is told when the bot is ready and how it is, and kept from killing it.

The protocol is sd_notify(3) of systemd: datagrams of NAME=VALUE lines to a Unix socket. What keeps the watchdog quiet
is sent by the loop itself, behind the core's own work, and by no other thread: a core that is stuck is killed, and
started again.
"""

from __future__ import annotations

import contextlib
import faulthandler
import os
import socket
import sys
from collections.abc import Callable, Mapping
from typing import NamedTuple

from actors.messages import BrokerChanged, Fact, FeedChanged, FeedState

ADDRESS, INTERVAL, PROCESS = "NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"
"""Variables in which a service manager says where it listens, and how often it wants to hear of which process."""

_US = 1e6
_LONGEST_START_S = 60.0  # for the next sign of life while the bot starts or stops, where there is no watchdog


class Beat(NamedTuple):
    """What shows that the core goes on: how many inputs it has taken, and whether the venue's time is known.

    While that is known, the core is told of it several times a second; before, nothing need come.
    """

    inputs: int
    is_fed: bool


class ServiceManager:
    """Tells the service manager of a bot, on its loop; nothing of it waits, and nothing of it fails.

    `send` takes one datagram, and `close` ends that. `monotonic` gives seconds. The bot is ready once market data comes
    and, at a broker, orders can be sent: it trades then, or waits for its hours. `interval_s` is how often a sign
    of life is wanted; half of that time after the last, the next is sent, if the core has gone on since. Before the bot
    is ready, and while it stops, the sign prolongs the time that it has for that.
    """

    def __init__(
        self,
        send: Callable[[str], None],
        interval_s: float | None,
        monotonic: Callable[[], float],
        *,
        with_broker: bool,
        with_feed: bool,
        close: Callable[[], None] = lambda: None,
    ) -> None:
        self.close = close
        self.is_ready = False
        self._send = send
        self._interval_s = interval_s
        self._monotonic = monotonic
        self._feed = FeedState.CONNECTING if with_feed else FeedState.LIVE
        self._broker = FeedState.CONNECTING if with_broker else FeedState.LIVE
        self._is_stopping = False
        self._last_s: float | None = None  # when the last sign of life was sent
        self._last = Beat(-1, True)
        self._told = ""

    def note_fact(self, fact: Fact) -> None:
        """Learn how the lines to the venue are."""
        if isinstance(fact, FeedChanged):
            self._feed = fact.state
        elif isinstance(fact, BrokerChanged):
            self._broker = fact.state

    def beat(self, beat: Beat) -> None:
        """Give a sign of life, if one is due and the core has gone on since the last; call it some times a second."""
        if not self.is_ready and self._feed is FeedState.LIVE and self._broker is FeedState.LIVE:
            self.is_ready = True
            self._send("READY=1")
        now_s = self._monotonic()
        wanted_s = self._interval_s or _LONGEST_START_S
        if self._last_s is not None and now_s - self._last_s < wanted_s / 2:
            return
        if beat.is_fed and beat.inputs == self._last.inputs and not self._is_stopping:
            return
        self._last_s, self._last = now_s, beat
        if self._interval_s is not None:
            self._send("WATCHDOG=1")
        if not self.is_ready or self._is_stopping:
            self._send(f"EXTEND_TIMEOUT_USEC={round(wanted_s * _US)}")

    def tell(self, status: str) -> None:
        """Say in a line how the bot is; the same is not said twice."""
        if status != self._told:
            self._told = status
            self._send(f"STATUS={status}")

    def stopping(self) -> None:
        """Say that the bot ends in order."""
        self._is_stopping = True
        self._send("STOPPING=1")


def manager_of(
    environment: Mapping[str, str], monotonic: Callable[[], float], *, with_broker: bool, with_feed: bool
) -> ServiceManager | None:
    """Return the service manager that the environment names; None without one, and where there are no such sockets."""
    address = environment.get(ADDRESS, "")
    if not address.startswith(("/", "@")) or not hasattr(socket, "AF_UNIX"):
        return None
    interval_s = _interval_s(environment)
    if interval_s is not None and sys.__stderr__ is not None:
        with contextlib.suppress(OSError, ValueError):  # a watchdog's SIGABRT says where it was stuck
            faulthandler.enable(sys.__stderr__)
    notify = _NotifySocket(address)
    return ServiceManager(
        notify.send, interval_s, monotonic, with_broker=with_broker, with_feed=with_feed, close=notify.close
    )


def without_manager(environment: Mapping[str, str]) -> dict[str, str]:
    """Return an environment for a child, which is not the process that the service manager wants to hear of."""
    return {name: value for name, value in environment.items() if name not in (ADDRESS, INTERVAL, PROCESS)}


def _interval_s(environment: Mapping[str, str]) -> float | None:
    if environment.get(PROCESS, str(os.getpid())) != str(os.getpid()):
        return None
    try:
        interval_us = int(environment.get(INTERVAL, ""))
    except ValueError:
        return None
    return interval_us / _US if interval_us > 0 else None


class _NotifySocket:
    """Sends datagrams to a Unix socket; one whose address begins with @ is of the abstract namespace."""

    def __init__(self, address: str) -> None:
        self._address = "\0" + address[1:] if address.startswith("@") else address
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.setblocking(False)  # a manager that does not read must not hold up the loop

    def send(self, text: str) -> None:
        """Send a datagram; one that finds nobody, or a full queue, is lost."""
        with contextlib.suppress(OSError):
            self._socket.sendto(text.encode("utf-8", "replace"), self._address)

    def close(self) -> None:
        """Close the socket."""
        self._socket.close()
