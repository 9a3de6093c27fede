"""`microbot run`: claims the data folder, puts a run together, lets it run, and says how it ended."""

from __future__ import annotations

import asyncio
import os
import shlex
import sys
from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack

import msgspec

from actors.engine.core import Core
from pipeline.strategy import Strategies
from service import data_feeds, logs, strategies, strategy_source
from service.conditions import never_in_turn
from service.data_folder import running, stamps, web_secret
from service.errors import Stopped, UserError
from service.listening import check_free
from service.live.assembly import assemble, lay_groundwork, start_exchange
from service.live.brokerage import at_broker, check_account
from service.live.control import signal_blocked
from service.live.parts import Host, Plan
from service.live.stopping import STUCK_S, Ending, Stopping, StuckExit, caught
from service.options import Outcome, RunOptions
from service.settings import Settings
from service.venues import Venue


def run(
    settings: Settings,
    options: RunOptions,
    say: Callable[[str], None],
    core: type[Core] = Core,
    environment: Mapping[str, str] = os.environ,
) -> Outcome:
    """Run until a signal, the duration or the tape's end stops it. Raises UserError for bad input.

    `say` talks to the terminal. `core` is for code that inspects what the core is fed. In the environment are keys, and
    addresses to notify.
    """
    web_secret.check(settings.web)
    with running.claim(options.data_dir) as claimed, signal_blocked(), logs.thread_faults():
        source = strategy_source.read(options.strategy) if options.watch and options.strategy is not None else None
        strategy = strategies.lineup(source or options.strategy, settings)
        if source is not None and strategy.named:
            raise UserError("--watch is for one strategy: leave out [strategies.NAME], or --watch")
        _want_checked(strategy, settings, options, say)
        for used in (*strategy.named.values(), strategy.rest):
            for sentence in never_in_turn(used.exits, settings.core.fallback):
                say(sentence)
        settings, options = _with_claimed(settings, options)
        options = data_feeds.checked(settings.feed.data_feed, options)
        if options.venue is Venue.ALPACA:
            settings = at_broker(settings)
        if options.live and options.account is None:
            options = msgspec.structs.replace(options, account=_asked_account(options))
        plan = Plan(settings, options, strategy, source, environment, options.feed, core)
        secret = web_secret.prepare(settings.web, options.data_dir)
        try:
            with asyncio.Runner(loop_factory=_loop_factory()) as runner:
                outcome = runner.run(_run(plan, say, claimed, secret))
        except Exception as error:
            if not isinstance(error, UserError):
                claimed.fail(f"{type(error).__name__}: {error}")
            raise
        if outcome.failure:
            claimed.fail(outcome.failure)
        return outcome


def _want_checked(chosen: Strategies, settings: Settings, options: RunOptions, say: Callable[[str], None]) -> None:
    """Raise UserError for a strategy of an author's own that is to trade real money, and was not checked; else warn."""
    used = [(name, strategy, settings.strategies[name]) for name, strategy in chosen.named.items()]
    for name, strategy, values in (*used, ("", chosen.rest, settings.strategy)):
        if not strategy.reference or stamps.is_checked(options.data_dir, strategy, values):
            continue
        command = shlex.join(("microbot", "check", name or strategy.reference, *options.of_check))
        sentence = f"{strategy.reference} was not checked as it is now: `{command}` does that"
        if options.live:
            raise UserError(f"{sentence}, and without it no real money is traded")
        say(sentence)


def _asked_account(options: RunOptions) -> str:
    """Ask for the number of the account in which real money is to be traded. Raises UserError without an answer."""
    assert options.ask is not None, "`RunOptions.check` wants it for real money"
    account = options.ask("REAL MONEY. Type the number of the account to trade in: ", lambda: False).strip()
    if not account:
        raise UserError("--live needs the number of the account: nothing was started")
    return account


def _with_claimed(settings: Settings, options: RunOptions) -> tuple[Settings, RunOptions]:
    """Have the symbols that strategies claim among those that are traded, wherever these are named."""
    claimed = tuple(settings.claims)
    if options.symbols or options.venue is not None:
        options = msgspec.structs.replace(options, symbols=tuple(dict.fromkeys((*options.symbols, *claimed))))
    if options.feed is None:
        symbols = tuple(dict.fromkeys((*settings.exchange.symbols, *claimed)))
        settings = msgspec.structs.replace(
            settings, exchange=msgspec.structs.replace(settings.exchange, symbols=symbols)
        )
    return settings, options


async def _with_data_feed(plan: Plan) -> Plan:
    """Have the plan name the feed that is listened to. Raises UserError if the venue does not say which it may be."""
    settings, feed = plan.settings, plan.settings.feed
    if data_feeds.of(feed.data_feed, plan.options) is not data_feeds.DataFeed.AUTO:
        return plan
    found = await data_feeds.best(plan.options, plan.environment)
    settings = msgspec.structs.replace(settings, feed=msgspec.structs.replace(feed, data_feed=found.value))
    return msgspec.structs.replace(plan, settings=settings)


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    if sys.platform == "win32":
        return None
    import uvloop

    return uvloop.new_event_loop


async def _run(plan: Plan, say: Callable[[str], None], claimed: running.Claim, secret: str) -> Outcome:
    ending, stuck = Ending(plan.options, say), StuckExit()
    loop = asyncio.get_running_loop()
    stopping = Stopping(loop, ending.on_signal, ending.hurry.set, stuck.leave, STUCK_S)
    host = Host(say, claimed, secret, ending, stopping, stuck)
    with caught(stopping):
        web = plan.settings.web
        check_free("the dashboard", web.host, web.port, "--port")  # before the journal has a run, of nothing
        try:
            async with AsyncExitStack() as stack:
                ground = lay_groundwork(plan, host)
                stack.callback(ground.books.close)
                if plan.own_exchange:
                    plan = await start_exchange(plan, ground, stack)
                await check_account(plan.options, plan.environment)
                plan = await _with_data_feed(plan)
                runtime = assemble(plan, host, ground, stack)
                outcome = await runtime.run()
        except Stopped:  # before any input: the summary is that of a core that was fed nothing
            summary = plan.core(plan.settings.core, plan.strategy).summary()
            return Outcome(summary, (), None, failure=ending.failure, refused=ending.refused)
        return runtime.judged(outcome)
