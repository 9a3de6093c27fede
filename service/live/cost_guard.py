"""The cost guard's voice: says plainly when the profit target cannot pay for the round trip."""

from __future__ import annotations

from loguru import logger

from actors.core import Core


class CostGuard:
    """Looks at each symbol's costs a few times a second, and warns when they cross the target, either way."""

    def __init__(self, core: Core) -> None:
        self._core = core
        self._costs = core.settings.costs
        self._dear: set[str] = set()  # symbols that were too dear when last looked at

    def follow(self, core: Core) -> None:
        """Go on with the core of the next session."""
        self._core = core

    def look(self) -> None:
        """Warn of what has changed since the last look."""
        if self._core.settings.risk.cost_guard == "off":
            return
        for lane in self._core.lanes.values():
            dear = self._costs.too_dear(lane)
            if dear != (lane.symbol in self._dear):
                self._dear ^= {lane.symbol}
                self._say(lane.symbol, self._costs.round_trip(lane), dear)

    def _say(self, symbol: str, cost: float, dear: bool) -> None:
        target = self._costs.target
        bound = logger.bind(logger="microbot.risk", symbol=symbol, round_trip=cost, target=target)
        if dear:
            refused = ", so its entries are refused" if self._core.settings.risk.cost_guard == "refuse" else ""
            bound.bind(event="cost.too_dear").warning(
                f"COST {symbol}: a round trip costs {cost:.3%}, more than the target of {target:.3%} brings{refused}"
            )
        else:
            bound.bind(event="cost.covered").info(
                f"COST {symbol}: a round trip costs {cost:.3%}, and the target of {target:.3%} covers it"
            )
