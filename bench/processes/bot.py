"""The whole bot, wired by `service.live.run` as in earnest, with a probe that looks at the clock after decisions."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import msgspec

from actors.engine.core import Core
from bench.children import tell
from bench.processes.feeder import ANY_TIME
from bench.processes.probe import Probe, ReceiverSpec
from service import logs, settings
from service.live.run import run
from service.options import RunOptions


def main(arguments: str) -> None:
    spec = msgspec.json.decode(arguments, type=ReceiverSpec)
    folder = Path(spec.folder)
    flags: dict[str, Any] = {"web.port": 0, "log.dir": str(folder / "logs")}
    if not spec.stamped:
        flags["admission.max_skew_s"] = ANY_TIME
    effective = settings.load(flags=flags, environment={})
    probe = Probe(spec)

    class ProbedCore(Core):
        def run(self, inputs: Any) -> None:
            super().run(inputs)
            probe.see(inputs)

    def say(sentence: str) -> None:
        if sentence.startswith("dashboard: "):
            tell("dashboard", url=sentence.removeprefix("dashboard: "))

    logs.configure(effective.log)
    options = RunOptions(feed=spec.url, data_dir=folder / "data", recorded=spec.recorded)
    run(effective, options, say, ProbedCore)


if __name__ == "__main__":
    main(*sys.argv[1:])
