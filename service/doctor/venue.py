"""The venue: keys, its time, and whether its market data speaks."""

from __future__ import annotations

import asyncio
import email.utils
import http.client
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from random import Random
from typing import NamedTuple
from urllib.parse import urlsplit

from msgspec.structs import replace

from actors.brokers.alpaca import codec
from actors.brokers.alpaca.messages import Answer
from actors.brokers.alpaca.rest import Rest
from actors.brokers.alpaca.settings import AlpacaAddress
from actors.feeds.addresses import shown
from actors.feeds.feed import FeedFailed
from actors.feeds.websocket import WebSocketFeed
from actors.messages import FeedChanged, FeedState
from pipeline.admission import Admission
from pipeline.events import Clock, Gap, Refused
from pipeline.venue_clock import VenueClock
from pipeline.venues.conditions import UNKNOWN_CONDITION
from service import data_feeds
from service.data_feeds import DESCRIBED, DataFeed
from service.doctor.bot import Standing
from service.doctor.findings import Finding, failed, ok, warning
from service.errors import UserError
from service.live.sources import TAPE, source_of
from service.options import RunOptions
from service.recorded import tapes
from service.settings import Settings
from service.venues import KEY, SECRET, Venue

_ANSWER_S = 5.0
_HERE = ("127.0.0.1", "localhost", "::1")


# ------------------------------------------------------------------------------------------------------------ keys


def keys(environment: Mapping[str, str], *, wanted: bool) -> Finding:
    """Look for the keys in the environment; their values are never shown."""
    missing = [name for name in (KEY, SECRET) if not environment.get(name)]
    if not missing:
        return ok("keys", f"{KEY} and {SECRET} are set")
    remedy = f"export {' and '.join(missing)}, from the venue's own page"
    if wanted:
        return failed("keys", f"not set: {', '.join(missing)}", remedy)
    if len(missing) == 1:
        return warning("keys", f"only one of two is set: {missing[0]} is missing", remedy)
    return ok("keys", "none are set, and none are needed but for --venue alpaca")


async def keys_at(address: AlpacaAddress, environment: Mapping[str, str]) -> Finding:
    """Try the keys where orders would go."""
    check, where = "keys at the venue", shown(address.rest_url).partition("://")[2]
    key, secret = environment.get(KEY, ""), environment.get(SECRET, "")
    if not all(word.isascii() and word.isprintable() and " " not in word for word in (key, secret)):
        return failed(check, "they hold characters that no key has", "copy them from the venue again")
    rest = Rest(address.rest_url, key, secret, _ANSWER_S)
    try:
        answer = await rest.call("GET", "/v2/account")
    finally:
        await rest.close()
    if not isinstance(answer, Answer):
        reason = answer.reason
        return failed(check, f"{where} cannot be reached: {reason}", "check the network, and --url if you gave one")
    if codec.is_about_keys(answer.status, codec.refusal(answer.body, answer.status)):
        remedy = "check that they are of this venue: keys of the paper account do not open the live one"
        return failed(check, f"{where} refuses them ({answer.status})", remedy)
    try:
        body = codec.decode(answer.body, codec.AccountBody)
    except codec.Unreadable:
        return failed(check, f"{where} answers {answer.status}, and tells no account", "is the address right?")
    blocked = body.account_blocked or body.trading_blocked or body.trade_suspended_by_user
    if blocked:
        return warning(check, f"{where} takes them; account {body.account_number} may not trade", "ask the venue why")
    return ok(check, f"{where} takes them; account {body.account_number}")


async def data_feed(
    settings: Settings, options: RunOptions, environment: Mapping[str, str]
) -> tuple[Finding, Settings, RunOptions]:
    """Ask which feed the account's plan has; return what is found, and settings and options with the one to try."""
    check, wanted = "data feed", DataFeed(settings.feed.data_feed)
    tried = DataFeed.IEX.value if wanted is DataFeed.AUTO else wanted.value
    try:
        options = data_feeds.checked(wanted, options)
        best = await data_feeds.best(options, environment)
    except data_feeds.Unasked as error:
        remedy = "check the network, and the keys"
        found = (failed if wanted is DataFeed.AUTO else warning)(check, str(error), remedy)
    except UserError as error:
        found = failed(check, str(error), "choose another with --data-feed")
    else:
        tried = best.value if wanted is DataFeed.AUTO else tried
        found = _judge_feed_of_plan(check, DataFeed(tried), best)
    return found, replace(settings, feed=replace(settings.feed, data_feed=tried)), options


def _judge_feed_of_plan(check: str, tried: DataFeed, best: DataFeed) -> Finding:
    if tried is DataFeed.SIP and best is not DataFeed.SIP:
        return failed(check, "the account's plan has no SIP", "--data-feed auto takes what it has")
    said = f"{tried}: {DESCRIBED[tried]}"
    if tried is DataFeed.IEX and best is DataFeed.SIP:
        return warning(check, f"{said}; the account's plan has SIP", "--data-feed auto takes the best that it has")
    return ok(check, said)


# ------------------------------------------------------------------------------------------------------------ time


class Told(NamedTuple):
    """What a server said the time is, and when it was asked. Seconds."""

    date_s: float | None
    machine_s: float
    took_s: float


def ask_date(url: str) -> Told:
    """Ask a server for the time that it puts on every answer, whatever it answers."""
    here = urlsplit(url).hostname in _HERE
    opener = urllib.request.build_opener(*([urllib.request.ProxyHandler({})] if here else []))
    started = time.monotonic()
    date: str | None = None
    try:
        with opener.open(urllib.request.Request(url, method="HEAD"), timeout=_ANSWER_S) as response:
            date = response.headers["Date"]
    except urllib.error.HTTPError as error:
        date = error.headers["Date"]
    except (OSError, ValueError, http.client.HTTPException):
        pass
    took, now = time.monotonic() - started, time.time()
    try:
        told = email.utils.parsedate_to_datetime(date).timestamp() if date else None
    except (TypeError, ValueError):
        told = None
    return Told(told, now, took)


# ------------------------------------------------------------------------------------------------------------ feed


def tape(path: Path) -> Finding:
    """Read the beginning of a tape."""
    try:
        tapes.size(path)
        next(tapes.read(path), None)
    except UserError as error:
        return failed("feed", str(error), "name another tape")
    return ok("feed", f"{path} can be read")


async def feed(
    settings: Settings, options: RunOptions, environment: Mapping[str, str], bot: Standing, within_s: float
) -> Finding:
    """Connect to the market data and wait for its first word; where our bot listens already, ask the bot."""
    check = "feed"
    if options.feed is None and options.venue is None:
        return ok(check, "the bot starts a mock exchange of its own")
    if bot.claimed and bot.feed_state:
        if bot.feed_state == FeedState.LIVE:
            return ok(check, f"the running bot hears {bot.feed}")
        return warning(check, f"the running bot says of {bot.feed}: {bot.feed_state}", "`microbot logs` tells more")
    if options.feed is not None and options.feed.startswith(TAPE):
        return tape(Path(options.feed.removeprefix(TAPE)))
    clock = VenueClock(settings.admission.max_skew_s, options.speed)
    admission = Admission(settings.admission, clock, options.symbols)
    try:
        source = source_of(settings.feed, options, options.feed, environment, clock, admission, Random(1))
    except UserError as error:
        return failed(check, str(error), "mend the options")
    assert isinstance(source.feed, WebSocketFeed)
    heard = Heard()
    subscription = source.feed.subscribe(heard.on_next, heard.on_error)
    try:
        await asyncio.wait_for(heard.enough.wait(), within_s)
    except TimeoutError:
        pass
    finally:
        subscription.dispose()
        await asyncio.sleep(0)
    return judge_feed(check, source.name, heard, connected=source.feed.connects > 0, within_s=within_s)


class Heard:
    """What a feed said, until it spoke of the market or gave up."""

    def __init__(self) -> None:
        self.enough = asyncio.Event()
        self.spoke = False
        self.refused = ""  # why its words were not believed
        self.unknown = 0  # prints with a condition that stands in no table
        self.down = ""
        self.failed = ""

    def on_next(self, batch: list[object]) -> None:
        for event in batch:
            if isinstance(event, FeedChanged):
                self.down = event.reason if event.state in (FeedState.DOWN, FeedState.STALE) else self.down
            elif isinstance(event, Refused):
                if event.reason == UNKNOWN_CONDITION:
                    self.unknown += event.count
                else:
                    self.refused = event.reason
            elif not isinstance(event, Clock | Gap):
                self.spoke = True
                self.enough.set()

    def on_error(self, error: Exception) -> None:
        self.failed = str(error) if isinstance(error, FeedFailed) else f"{type(error).__name__}: {error}"
        self.enough.set()


def judge_feed(check: str, name: str, heard: Heard, *, connected: bool, within_s: float) -> Finding:
    if heard.spoke and heard.unknown:
        remedy = "of such prints only the size is used; see whether there is a newer microbot"
        return warning(check, f"{name} speaks, and {heard.unknown:,} prints have conditions that are not known", remedy)
    if heard.spoke:
        return ok(check, f"{name} speaks")
    if heard.failed:
        return failed(check, heard.failed, "check the address, the symbols and the keys")
    if not connected:
        return failed(check, f"{name} cannot be reached: {heard.down or 'no answer'}", "check the address and network")
    if heard.refused:
        remedy = "check the machine's clock, and `[admission]`"
        return failed(check, f"{name} speaks, and nothing it says can be believed ({heard.refused})", remedy)
    if heard.down:
        return failed(
            check, f"{name} lets us in, and no further: {heard.down}", "check what is subscribed, and the plan"
        )
    remedy = "is the market open, and are the symbols right? --wait SECONDS waits longer"
    return warning(check, f"{name} lets us in, and has said nothing for {within_s:g} s", remedy)


def clock_address(options: RunOptions, trading: AlpacaAddress) -> str | None:
    """Return where to ask for the time: the venue's web server; None where the market is our own."""
    if options.venue is Venue.ALPACA:
        return trading.rest_url
    if options.url is not None:
        return options.url.replace("ws", "http", 1) if options.url.startswith("ws") else options.url
    if options.venue is not None:
        return _WEB[options.venue]
    return None


_WEB = {Venue.BINANCE: "https://api.binance.com", Venue.COINBASE: "https://api.exchange.coinbase.com"}
