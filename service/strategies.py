"""Loading a strategy that a user wrote: FILE.py:NAME."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

from pipeline.strategy import Strategy, StrategySettings, default_exits, momentum_burst
from service.errors import UserError


def load(reference: str | None, settings: StrategySettings) -> Strategy:
    """Return the default strategy, or the one that FILE.py:NAME names.

    NAME is a function from ticks to signals (it gets the default exits), or a `Strategy`. Raises UserError with the
    place of the fault if the file cannot be loaded.
    """
    if reference is None:
        return momentum_burst(settings)
    file, colon, name = reference.rpartition(":")
    if not colon:
        file, name = reference, "strategy"
    path = Path(file)
    if not path.is_file():
        raise UserError(f"--strategy wants FILE.py:NAME, and there is no file {file}")
    specification = importlib.util.spec_from_file_location(f"microbot_strategy_{path.stem}", path)
    if specification is None or specification.loader is None:
        raise UserError(f"--strategy wants a Python file (FILE.py:NAME), not {file}")
    module = importlib.util.module_from_spec(specification)
    sys.modules[specification.name] = module
    try:
        specification.loader.exec_module(module)
    except (Exception, SystemExit) as error:  # whatever the file raises is the author's to see, in one sentence
        raise UserError(f"the strategy {file} cannot be loaded: {type(error).__name__}: {error}") from error
    made = getattr(module, name, None)
    if made is None:
        functions = [n for n, value in vars(module).items() if callable(value) and not n.startswith("_")]
        raise UserError(f"{file} has no {name}; it has {', '.join(functions) or 'no functions'}")
    if isinstance(made, Strategy):
        return made
    if not callable(made):
        raise UserError(f"{reference} is a {type(made).__name__}: it must be a function of ticks, or a Strategy")
    return Strategy(f"{path.stem}:{name}", made, default_exits(settings))
