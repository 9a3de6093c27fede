"""What the dashboard's process is told of a run's inside: its log, its settings, its mock exchange."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from service import logs
from service.live.parts import Plan
from service.setting_origins import in_force
from service.settings import SECTIONS
from web.messages import SettingSeen, Workings


def workings_of(plan: Plan) -> Workings:
    """Return what there is to know; the exchange of a run that has one must listen by now."""
    settings = plan.settings
    sections = {name: getattr(settings, name) for name in SECTIONS}
    sections |= {f"strategies.{name}": use for name, use in settings.strategies.items()}
    return Workings(
        log=str((Path(settings.log.dir) / logs.FILE).absolute()),
        settings=(*in_force(sections, settings.set_in), *_declared(plan)),
        exchange=_exchange_of(plan),
        rehearsal=plan.options.rehearse,
    )


def _declared(plan: Plan) -> Iterator[SettingSeen]:
    """Yield the numbers that strategies declare and nothing sets: their own files say what they are."""
    settings = plan.settings
    used = [(f"strategies.{name}", found, settings.strategies[name]) for name, found in plan.strategy.named.items()]
    for section, strategy, values in (*used, ("strategy", plan.strategy.rest, settings.strategy)):
        for name, declared in strategy.parameters.summary().items():
            if name not in values.parameters and name not in values.__struct_fields__:
                value, usual = f"{declared['value']:g}", f"{declared['default']:g}"
                yield SettingSeen(section, name, value, usual, f"the strategy {strategy.reference or strategy.name}")


def _exchange_of(plan: Plan) -> str:
    """Return where the run's own mock exchange listens; empty at any other, one of others' included."""
    if not plan.own_exchange:
        return ""
    address = (plan.options.url if plan.options.rehearse else plan.feed) or ""
    return address.replace("ws:", "http:", 1).rstrip("/")
