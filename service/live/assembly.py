"""The composition of a run: everything that it is made of is made here, whole, before any of it starts.

Two things have to run before the rest can be made. The signals, since a person may stop a run that is still starting;
and the mock exchange of a run that has one of its own, since its address is part of what the rest is made from.
And two act at once: the log learns whose lines it writes, and the first recording is begun, since without it nothing is
to start.
"""

from __future__ import annotations

import asyncio
import os
import sys
import time
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path
from random import Random
from typing import Any

import msgspec
from loguru import logger
from msgspec import UNSET

from actors.engine.core import Input
from actors.engine.rehearsal import MarketData
from actors.engine.reloading import Reloading
from actors.feeds.websocket import WebSocketFeed
from actors.gateway.gate import Gate, Trouble, TroubleKind
from actors.gateway.kill_switch import KillSwitch
from actors.messages import (
    Command,
    Fact,
    GateActed,
    ReplaceStrategy,
    Report,
    StateChanged,
    StrategyRefused,
    StrategySource,
)
from actors.supervision.periodic import Periodic
from actors.supervision.strategy_watch import StrategySlow
from pipeline.admission import Admission
from pipeline.events import SECOND
from pipeline.strategy import Strategy
from pipeline.venue_clock import VenueClock
from service import data_feeds, fact_log, figures, logs, signals_secret
from service.data_folder import SESSIONS, web_secret
from service.listening import check_free
from service.live import control, trade_history
from service.live.bookkeeping import Bookkeeping
from service.live.brokerage import AccountCheck, Brokerage
from service.live.children import ExchangeProcess, Processes, UrgentPipe, WebProcess
from service.live.command_pipe import CommandPipe
from service.live.commands import Intake, Mailbox
from service.live.execution_quality import ExecutionQuality, assumed_by
from service.live.external_signals import ExternalSignals
from service.live.halt_file import HaltFile, keep as keep_halt
from service.live.notices import Notices
from service.live.operators import Operators
from service.live.parts import Groundwork, Host, Plan, SessionParts, WayOut
from service.live.reception import Reception
from service.live.reload import LOOK_S, SourceWatch, StrategyInForce, Workshop
from service.live.rotation import RotationPolicy, SessionRotation
from service.live.runtime import Runtime
from service.live.service_manager import ServiceManager, manager_of
from service.live.session import Session
from service.live.slow_strategies import SlowStrategies, removals
from service.live.sources import Source, source_of
from service.live.telemetry import Telemetry
from service.live.timekeeping import Timekeeper, running_clock
from service.live.trade_history import TradeHistory
from service.live.unused import Unused
from service.live.workings import workings_of
from service.notify_settings import resolved
from service.recorded.recording import Recorder
from service.recorded.recordings import Recordings
from service.recorded.replay import PAPER
from service.settings import as_layer
from service.venues import KEY, SECRET
from web.messages import SessionStarted

_ANSWER_S = 10.0  # real seconds that another thread waits for the loop


def _venue_speed(plan: Plan) -> float:
    """Return the seconds of a venue that pass in a second; a rehearsal's cannot declare it: what it plays has none."""
    options = plan.options
    return plan.settings.exchange.speed if options.rehearse else options.speed if options.url is not None else 1.0


def _behind_ns(plan: Plan) -> int:
    """Return by how much the time of the feed is behind the market's, ns."""
    return round(data_feeds.delay_s(plan.settings.feed.data_feed, plan.options) * SECOND)


def lay_groundwork(plan: Plan, host: Host) -> Groundwork:
    """Make what the rest stands on. Raises UserError for a journal that cannot be used."""
    settings, options = plan.settings, plan.options
    clock = VenueClock(settings.admission.max_skew_s, _venue_speed(plan))
    behind_ns = _behind_ns(plan)
    if options.venue is not None:  # a real venue keeps the time that we keep
        clock.expect(time.time_ns() - behind_ns, time.monotonic_ns())
    admission = Admission(settings.admission, clock, options.symbols)
    running_s = running_clock(settings.gate)
    timekeeper = Timekeeper(clock, admission, running_s=running_s, on_away=_log_away, behind_ns=behind_ns)
    random = Random(os.urandom(16))
    ending = host.ending
    processes = Processes(ending.stop, random, settings.supervision, ending.on_given_up)
    books = Bookkeeping(options)
    logs.know(logs.Context(settings.risk.timezone, lambda: books.run_number, timekeeper.venue_now))
    mailbox = Mailbox(asyncio.get_running_loop())
    return Groundwork(clock, admission, timekeeper, running_s, mailbox, books, processes, UrgentPipe(), random)


def _log_away(away_s: float) -> None:
    logger.bind(logger="microbot.service", event="session.away", away_s=round(away_s, 3)).warning(
        f"away for {away_s:,.0f} s: this process was stopped, or the machine slept; no price of before is traded at"
    )


async def start_exchange(plan: Plan, ground: Groundwork, stack: AsyncExitStack) -> Plan:
    """Start the mock exchange that a run has of its own, and return the plan with its address.

    In a rehearsal it takes the venue's place, and its keys those of the environment. Raises UserError if it cannot
    start, Stopped if the run is to end meanwhile.
    """
    settings, books, clock = plan.settings.exchange, ground.books, ground.clock

    def market_now() -> int:  # where a market that is started goes on: its time never runs back
        now = ground.timekeeper.venue_now()
        return max(books.last_ts, time.time_ns()) if not now and settings.start_at is None and books.last_ts else now

    check_free("the mock exchange", settings.host, settings.port, "--exchange-port")
    exchange = ExchangeProcess(settings, market_now)
    await ground.processes.start(stack, "exchange", exchange, "mock exchange", vital=True)
    if not plan.options.rehearse:
        return msgspec.structs.replace(plan, feed=exchange.url)
    # Its market starts now, and runs at its own rate.
    clock.expect(time.time_ns() - _behind_ns(plan), time.monotonic_ns())
    key, _, secret = settings.keys[0].partition(":")
    url, symbols = exchange.url.replace("ws:", "http:", 1), plan.options.symbols or settings.symbols
    options = msgspec.structs.replace(plan.options, url=url, symbols=symbols)
    return msgspec.structs.replace(plan, options=options, environment={**plan.environment, KEY: key, SECRET: secret})


def assemble(plan: Plan, host: Host, ground: Groundwork, stack: AsyncExitStack) -> Runtime:
    """Make everything that a run is made of. The recording's file is opened, and closed with the stack.

    Raises UserError for a feed, a broker or a recording that cannot be.
    """
    settings, options, now = plan.settings, plan.options, ground.timekeeper.venue_now
    out = _way_out(plan, host, ground)
    source = source_of(
        settings=settings.feed,
        options=options,
        url=plan.feed,
        environment=plan.environment,
        clock=ground.clock,
        admission=ground.admission,
        random=ground.random,
        monotonic=ground.timekeeper.monotonic,
    )
    in_force = StrategyInForce(plan.strategy, plan.source)
    recordings = _recordings(plan, out, in_force, stack)
    parts = SessionParts(plan, source.venue, ground.books, recordings, out.brokerage, in_force)
    too_slow: deque[StrategySlow] = deque()
    pending_removals = partial(removals, too_slow, now)
    manager, notices = _watched_by(plan, ground, source)
    told = [each.note_fact for each in (manager, notices) if each is not None]
    session, telemetry = _first_session(host, ground, out, parts, source, pending_removals, told)

    def feed_removals() -> None:
        ground.mailbox.call(lambda: intake.feed(pending_removals()))

    slow = SlowStrategies(settings.watch, session, too_slow, now, ground.urgent.send, feed_removals)
    intake = Intake(
        session=session,
        books=ground.books,
        timekeeper=ground.timekeeper,
        brokerage=out.brokerage,
        halt_file=out.halt_file,
        slow_strategies=slow,
        ending=host.ending,
        say=host.say,
        symbols=options.symbols,
    )
    policy = RotationPolicy(settings.record.rollover_wait_s)
    return Runtime(
        host=host,
        ground=ground,
        out=out,
        parts=parts,
        source=source,
        intake=intake,
        session=session,
        telemetry=telemetry,
        slow_strategies=slow,
        rotation=SessionRotation(policy, parts, session, ground.timekeeper, telemetry),
        source_watch=_source_watch(ground, parts, intake, telemetry),
        web=_web_process(plan, host, ground, out, intake, telemetry),
        manager=manager,
        notices=notices,
    )


def _watched_by(plan: Plan, ground: Groundwork, source: Source) -> tuple[ServiceManager | None, Notices | None]:
    """Return the service manager that started the bot, and what tells its owner, where there are any."""
    has_feed = isinstance(source.feed, WebSocketFeed)
    manager = manager_of(os.environ, time.monotonic, with_broker=plan.at_broker, with_feed=has_feed)
    notify = resolved(plan.settings.notify, plan.environment)
    return manager, Notices(plan, notify, lambda: ground.books.run_number) if notify.on else None


def _web_process(
    plan: Plan, host: Host, ground: Groundwork, out: WayOut, intake: Intake, telemetry: Telemetry
) -> WebProcess:
    """Make the dashboard's process, with the two ways in that commands from it have."""
    door = signals_secret.door_of(plan.settings.signals)
    external = ExternalSignals(intake, time.time())
    reception = Reception(external.carry_out, pull=out.switch.pull)
    workings = workings_of(plan)

    def history() -> list[Any]:
        return [workings, *telemetry.history()]

    return WebProcess(
        plan.settings.web,
        reception.take,
        history,
        ground.urgent,
        secret_file=web_secret.file_of(plan.options.data_dir) if host.secret else None,
        explain=_explain_command(plan) if ground.books.run_number is not None else (),
        commands=CommandPipe(reception.take_past_loop, ground.urgent.send),
        signals=door,
    )


def _explain_command(plan: Plan) -> tuple[str, ...]:
    """Return the program that tells the dashboard of a decision: beside the loop, and beside the web process."""
    data_dir, log_dir = plan.options.data_dir.absolute(), Path(plan.settings.log.dir).absolute()
    folders = ("--data-dir", str(data_dir), "--log-dir", str(log_dir))
    return (sys.executable, "-P", "-m", "service", "explain", "--json", *folders)


def _first_session(
    host: Host,
    ground: Groundwork,
    out: WayOut,
    parts: SessionParts,
    source: Source,
    pending_removals: Callable[[], Sequence[Input]],
    told: Sequence[Callable[[Fact], None]],
) -> tuple[Session, Telemetry]:
    """Make the session with its first core, and what shows it: they follow each other through every rotation."""
    facts: list[Fact] = []
    core = parts.core(out.session_id, facts.append)
    settings, run = parts.plan.settings, ground.books.run_number or 0
    started = _started(parts.plan, source, run)
    kept = ground.books.kept_trades(trade_history.MOST)
    telemetry = Telemetry(
        core,
        started,
        chart_points=settings.web.chart_points,
        max_symbols=settings.web.max_symbols,
        window_s=settings.strategy.window_size,
        unused=Unused(lambda: ground.admission.refused, time.monotonic),
        operators=Operators(time.perf_counter_ns),
        trades=TradeHistory(kept, run, out.session_id, started.started_ts),
        quality=ExecutionQuality(
            core,
            assumed_by(settings, at_broker=parts.plan.at_broker),
            ground.clock,
            lambda: ground.admission.arrived_at,
            time.monotonic_ns,
            at_broker=parts.plan.at_broker,
        ),
    )
    session = Session(
        core=core,
        facts=facts,
        gate=out.gate,
        recorder=parts.recordings.current if parts.recordings is not None else None,
        gather=telemetry.gather,
        readers=(
            fact_log.log_fact,
            telemetry.note_fact,
            telemetry.tick_keeper.note_fact,
            host.ending.check_fact,
            parts.in_force.note_fact,
            *told,
        ),
        outbox=out.brokerage.outbox if out.brokerage is not None else None,
        interject=pending_removals,
        timekeeper=ground.timekeeper,
    )
    return session, telemetry


def _way_out(plan: Plan, host: Host, ground: Groundwork) -> WayOut:
    """Make the gate with the kill switch beside it, and the broker behind it, if there is to be a real one."""
    settings, options, mailbox, now = plan.settings, plan.options, ground.mailbox, ground.timekeeper.venue_now
    books, folder = ground.books, options.data_dir

    meant = AccountCheck(options)

    def on_reports(reports: list[Report]) -> None:  # on the broker's thread, once it is started
        if refusal := meant.refusal(reports):
            mailbox.call(lambda: host.ending.refuse(refusal))
            return
        switch.hear(reports)
        mailbox.tell(reports)

    brokerage, broker, session_id = None, None, PAPER
    if plan.at_broker:
        brokerage = Brokerage(
            options=options,
            environment=plan.environment,
            settings=settings.broker,
            on_report=on_reports,
            now=now,
            random=ground.random,
            speed=_venue_speed(plan),
            last_book=books.last_name,
            with_fees=settings.execution.fees == "alpaca",
        )
        broker, session_id = brokerage.broker, brokerage.book

    def make_gate(switch: KillSwitch) -> Gate:
        return Gate(
            books.journal,
            broker,
            partial(_on_trouble, mailbox),
            settings.gate,
            ground.running_s,
            on_batch=switch.see,
            on_refused=switch.refuse,
            check_journal_file=books.file_trouble,
            on_gap=books.keep_gap,
        )

    def show(fact: GateActed | StateChanged) -> None:  # past the loop, which may be stuck
        fact_log.log_fact(fact)
        if isinstance(fact, StateChanged):
            ground.urgent.send(fact)

    switch = KillSwitch(
        loop=mailbox,
        make_gate=make_gate,
        broker=broker,
        book=session_id,
        keep=partial(keep_halt, folder),
        now=now,
        say=control.log,
        show=show,
        running_s=ground.running_s,
        settings=settings.gate,
    )
    return WayOut(brokerage, session_id, switch, switch.gate, HaltFile(folder, switch))


def _on_trouble(mailbox: Mailbox, trouble: Trouble) -> None:
    """Log the gate's trouble, on the thread that noticed it; where it halts, the core is given a halt as an input."""
    log = logger.bind(logger="microbot.gate", event=f"gate.{trouble.kind}")
    if trouble.kind is TroubleKind.RECOVERED:
        log.info(trouble.detail)
    else:
        log.error(trouble.detail)
    if trouble.halts:
        mailbox.give(Command("halt", 0, "gate", f"{trouble.kind}: {trouble.detail}"))


def _source_watch(ground: Groundwork, parts: SessionParts, intake: Intake, telemetry: Telemetry) -> Periodic | None:
    """Make the watch on the strategy's files, if that is wished; what it finds comes to the loop by the mailbox."""
    source, session, now = parts.in_force.source, intake.session, ground.timekeeper.venue_now
    if source is None:
        return None

    def kept() -> list[MarketData]:
        found: list[MarketData] = []
        ground.mailbox.call(lambda: found.extend(_reloading(session).kept)).result(_ANSWER_S)
        return found

    def replace(source: StrategySource, strategy: Strategy) -> None:
        def feed() -> None:
            parts.in_force.prepare(source, strategy)
            for symbol in session.core.contexts:
                intake.slow_strategies.forgive(symbol)
            intake.feed([ReplaceStrategy(source, len(_reloading(session)), now())])

        ground.mailbox.call(feed)

    def refuse(fact: StrategyRefused) -> None:
        refused = msgspec.structs.replace(fact, ts=now())
        fact_log.log_fact(refused)
        ground.mailbox.call(lambda: telemetry.note_fact(refused))

    workshop = Workshop(parts.plan.settings, kept)
    watch = SourceWatch(source, workshop.made, replace, refuse)
    return Periodic("reload", watch.look, LOOK_S)


def _reloading(session: Session) -> Reloading:
    reloading = session.core.reloading
    assert reloading is not None, "every core of a run whose strategy is watched has one"
    return reloading


def _recordings(plan: Plan, out: WayOut, in_force: StrategyInForce, stack: AsyncExitStack) -> Recordings | None:
    """Begin to record the first session, if that is wished; the recording ends with the stack."""
    options, settings = plan.options, plan.settings
    if not options.recorded:
        return None

    def make_recorder(path: Path, session_id: str) -> Recorder:
        book, paper = (session_id, "") if plan.at_broker else ("", session_id if session_id != PAPER else "")
        watched = in_force.watched or UNSET
        return Recorder(
            path, settings.core, options.strategy, book=book, paper_book=paper, watched=watched, data_feed=data_feed
        )

    data_feed = data_feeds.of(settings.feed.data_feed, options) or UNSET
    venue = options.venue or ("simulated" if options.feed is None else "feed")
    recordings = Recordings(options.data_dir / SESSIONS, venue, options.record, settings.record, make_recorder)
    recordings.start(out.session_id)
    stack.push(recordings.end)
    return recordings


def _started(plan: Plan, source: Source, run: int) -> SessionStarted:
    """Return what the dashboard is told of the run."""
    settings, options, now = plan.settings, plan.options, time.time_ns()
    return SessionStarted(
        session=figures.instant(now, settings.risk.timezone),
        strategy=plan.strategy.name,
        feed=source.name,
        venue=source.venue,
        symbols=options.symbols or (settings.exchange.symbols if options.feed is None else ()),
        paper=not options.live,
        started_ts=now,
        settings=as_layer(settings.core),
        run=run,
    )
