"""The examination: every check, in order, one finding after another as it is made."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import msgspec
from loguru import logger

from actors.feeds.addresses import shown
from service import settings as settings_of, strategies
from service.data_folder.place import logs_of
from service.doctor import assumptions, bot, machine, venue
from service.doctor.books import journal
from service.doctor.clock import Moment, offset, steadiness
from service.doctor.findings import Finding, Verdict, failed, ok
from service.errors import UserError
from service.options import RunOptions
from service.outlet import prints_aside
from service.settings import Settings
from service.venues import KEY, SECRET, Venue, address_of

_LISTEN_TO = {Venue.ALPACA: ("AAPL",), Venue.BINANCE: ("BTCUSDT",), Venue.COINBASE: ("BTC-USD",)}
"""Symbols that are always traded, where none are named."""


class Case(msgspec.Struct, frozen=True):
    """What is to be examined: the options of a start, and where its settings come from."""

    options: RunOptions
    log_dir: Path | None = None
    config: Path | None = None
    assignments: tuple[str, ...] = ()
    wait_s: float = 10.0
    data_feed: str | None = None  # of Alpaca's


def findings(case: Case, environment: Mapping[str, str]) -> Iterator[Finding]:
    """Make every check and yield what it finds; nothing is changed, and no check stops the next."""
    logger.remove()  # what the feed logs is for a log
    before = _now()
    options, data_dir = case.options, case.options.data_dir
    if options.venue is not None and not options.symbols and case.data_feed != "test":
        options = msgspec.structs.replace(options, symbols=_LISTEN_TO[options.venue])
    yield machine.python(sys.version_info[:3], sys.executable)
    yield machine.installed_packages()
    settings, finding = _settings(case, environment)
    yield finding
    yield _strategy(options.strategy, settings)
    yield machine.time_zone(settings.risk.timezone)
    yield machine.page()
    yield machine.folder("data folder", data_dir, "--data-dir")
    yield machine.folder("log folder", Path(settings.log.dir), "--log-dir")
    yield machine.disk_of(data_dir, settings.disk.warn_bytes)
    yield machine.dashboard_secret(settings.web, machine.other_users())
    standing = bot.look(data_dir)
    yield bot.judge(standing, data_dir)
    yield from _ports(options, settings, standing)
    yield journal(data_dir)
    yield from _venue(options, settings, environment, standing, case.wait_s)
    yield steadiness(before, _now())


def _now() -> Moment:
    return Moment(time.time(), time.monotonic())


def _settings(case: Case, environment: Mapping[str, str]) -> tuple[Settings, Finding]:
    flags = {"log.dir": str(case.log_dir) if case.log_dir is not None else None, "feed.data_feed": case.data_feed}
    defaults = settings_of.logs_in(logs_of(case.options.data_dir))
    try:
        loaded = settings_of.load(
            case.config, case.assignments, flags=flags, defaults=defaults, environment=environment
        )
    except UserError as error:
        finding = failed("settings", str(error), "mend it; what follows goes by the defaults")
        return settings_of.load(flags=flags, defaults=defaults, environment={}), finding
    return loaded, ok("settings", f"they can be read{f', {case.config} among them' if case.config else ''}")


def _strategy(reference: str | None, settings: Settings) -> Finding:
    try:
        with prints_aside():
            name = strategies.lineup(reference, settings).name
    except UserError as error:
        return failed("strategy", str(error), "mend the file: `microbot replay TAPE --strategy FILE.py:NAME` tries it")
    return ok("strategy", f"{name} can be built")


def _ports(options: RunOptions, settings: Settings, standing: bot.Standing) -> Iterator[Finding]:
    yield bot.port("dashboard's port", settings.web.host, settings.web.port, "web.port", standing)
    if options.feed is None and options.venue is None:  # then a start brings its own market
        yield bot.port("exchange's port", settings.exchange.host, settings.exchange.port, "exchange.port", standing)


def _venue(
    options: RunOptions, settings: Settings, environment: Mapping[str, str], standing: bot.Standing, wait_s: float
) -> Iterator[Finding]:
    wanted = options.venue is Venue.ALPACA
    yield venue.keys(environment, wanted=wanted)
    trading = address_of(options.url, live=options.live)
    where = venue.clock_address(options, trading)
    if where is not None:
        told = venue.ask_date(where)
        yield offset(told.date_s, told.machine_s, told.took_s, settings.admission.max_skew_s, shown(where))
    if wanted and environment.get(KEY) and environment.get(SECRET):
        opens = asyncio.run(venue.keys_at(trading, environment))
        yield opens
        finding, settings, options = asyncio.run(venue.data_feed(settings, options, environment))
        yield finding
        if opens.verdict is not Verdict.FAILED:
            most = settings.broker.requests_per_minute
            yield from asyncio.run(assumptions.examine(trading, environment, options.symbols, most))
    yield asyncio.run(venue.feed(settings, options, environment, standing, wait_s))
