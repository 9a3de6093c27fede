"""Kill the bot many times: `make kill N=200`. Ends with 1 if anything was lost, doubled or forgotten."""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from pathlib import Path

from tests.kills.killing import FAULTS, SPEED, Killing
from tests.kills.moments import histogram
from tests.support.exchange import KEYS, ExchangeServer

SIMULATED = 10  # one kill in so many meets a bot whose fills are simulated


def main() -> int:
    parser = argparse.ArgumentParser(prog="make kill", description=__doc__)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--minutes", type=float, default=30.0, help="no kill begins after so many")
    options = parser.parse_args()
    os.environ.update(KEYS)
    began = time.monotonic()
    faults = [word for fault in FAULTS for word in ("--fault", fault)]
    broken: list[str] = []
    with tempfile.TemporaryDirectory() as folder, ExchangeServer("--speed", SPEED, *faults) as exchange:
        for simulated in (True, False):
            share = options.kills // SIMULATED if simulated else options.kills - options.kills // SIMULATED
            where = Path(folder) / ("simulated" if simulated else "broker")
            where.mkdir()
            killing = Killing(exchange, where, options.seed, simulated=simulated)
            while len(killing.kills) < share and time.monotonic() - began < options.minutes * 60:
                try:
                    kill = killing.kill()
                except AssertionError as late:  # what is to happen did not: tell of it, and of what was seen
                    broken.append(f"after {len(killing.kills)} kills: {late}")
                    break
                held = ", ".join(word for word, so in (("position", kill.position), ("order", kill.in_flight)) if so)
                print(f"{len(killing.kills):>4} of {share}  {kill.moment:<10} {held or 'nothing'}", flush=True)
            broken += killing.end() if share else []
            trades = sum(fact.kind == "position_closed" for fact in killing.journal.facts)
            print(f"\n{'simulated fills' if simulated else 'broker'}: {trades} trades")
            print(histogram(killing.kills), flush=True)
            if len(killing.kills) < share:
                broken.append(f"only {len(killing.kills)} of {share} kills in {options.minutes:g} minutes")
    print("\n".join(broken) or f"nothing lost, nothing doubled ({time.monotonic() - began:.0f} s)")
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
