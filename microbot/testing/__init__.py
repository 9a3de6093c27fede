"""The test kit: tapes by hand or as marbles, and assertions that show what came instead.

    from microbot.testing import assert_signals, assert_trades, tape

    def test_a_burst_is_followed(backtested):
        found = backtested(tape("AAPL").flat(30).burst(0.002).flat(20), "my.py:strategy")
        assert_signals(found, ("LONG", 31))
        assert_trades(found, "TP")

`backtested` is a fixture of the pytest plug-in that comes with microbot. `microbot.testing.hypothesis` draws tapes by
chance; it alone needs hypothesis (`pip install 'microbot-trading[testing]'`).
"""

from microbot.testing.assertions import assert_signals, assert_trades, picture
from microbot.testing.diagrams import Said, assert_marbles, marbles, said
from microbot.testing.tapes import START, Tape, tape

__all__ = [
    "START",
    "Said",
    "Tape",
    "assert_marbles",
    "assert_signals",
    "assert_trades",
    "marbles",
    "picture",
    "said",
    "tape",
]
