"""`python -m simulation`: run seeds, and print the command that reproduces the first that fails."""

from __future__ import annotations

import argparse
import sys
import time
import traceback
from collections.abc import Sequence

from simulation.world import World


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the seeds that were asked for; 1 if one fails."""
    parser = argparse.ArgumentParser("python -m simulation", description="The whole bot in virtual time, with faults.")
    parser.add_argument("--seed", type=int, default=1, help="the first seed [1]")
    parser.add_argument("--seeds", type=int, default=1, metavar="N", help="how many, one after the other [1]")
    parser.add_argument("--minutes", type=float, default=5.0, help="of the market, with faults [5]")
    given = parser.parse_args(arguments)
    began = time.perf_counter()
    for seed in range(given.seed, given.seed + given.seeds):
        world = World(seed)
        try:
            result = world.run(given.minutes * 60)
        except Exception as error:
            at = (world.agenda.now - world.start) / 1e9
            if not isinstance(error, AssertionError):
                traceback.print_exc()
            print(f"seed {seed} FAILED {at:.3f} s into the market: {error}")
            print(f"reproduce: python -m simulation --seed {seed} --minutes {given.minutes:g}")
            return 1
        if given.seeds == 1:
            print(f"{result}")
    took = time.perf_counter() - began
    print(f"{given.seeds} seeds of {given.minutes:g} minutes passed in {took:.1f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
