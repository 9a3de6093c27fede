"""The cost guard's voice: says plainly when the profit target cannot pay for the round trip."""

from __future__ import annotations

from loguru import logger

from actors.engine.core import Core


class CostGuard:
    """Looks at each symbol's costs a few times a second, and warns when they cross the target, either way."""

    def __init__(self) -> None:
        self._dear: set[str] = set()  # symbols that were too dear when last looked at

    def warn_of_changes(self, core: Core) -> None:
        """Warn of what has changed since the last look, at the core of this session or the last one."""
        guard = core.settings.risk.cost_guard
        for context in core.contexts.values() if guard != "off" else ():
            symbol = context.symbol
            costs = core.settings.of(core.claims.get(symbol)).costs
            dear = costs.too_dear(context, core.now)
            if dear == (symbol in self._dear):
                continue
            self._dear ^= {symbol}
            cost = costs.round_trip(context, core.now)
            said = f"COST {symbol}: a round trip costs {cost:.3%}"
            bound = logger.bind(logger="microbot.risk", symbol=symbol, round_trip=cost, target=costs.target)
            if dear:
                refused = ", so its entries are refused" if guard == "refuse" else ""
                bound.bind(event="cost.too_dear").warning(
                    f"{said}, more than the target of {costs.target:.3%} brings{refused}"
                )
            else:
                bound.bind(event="cost.covered").info(f"{said}, and the target of {costs.target:.3%} covers it")
