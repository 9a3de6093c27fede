"""The cost guard's voice: says plainly when the profit target cannot pay for the round trip."""

from __future__ import annotations

from loguru import logger

from actors.engine.core import Core, CoreSettings


class CostGuard:
    """Looks at each symbol's costs a few times a second, and warns when they cross the target, either way."""

    def __init__(self) -> None:
        self._dear: set[str] = set()  # symbols that were too dear when last looked at

    def warn_of_changes(self, core: Core) -> None:
        """Warn of what has changed since the last look, at the core of this session or the last one."""
        if core.settings.risk.cost_guard == "off":
            return
        for context in core.contexts.values():
            dear = core.settings.costs.too_dear(context)
            if dear != (context.symbol in self._dear):
                self._dear ^= {context.symbol}
                self._say(core.settings, context.symbol, core.settings.costs.round_trip(context), dear)

    @staticmethod
    def _say(settings: CoreSettings, symbol: str, cost: float, dear: bool) -> None:
        target = settings.costs.target
        bound = logger.bind(logger="microbot.risk", symbol=symbol, round_trip=cost, target=target)
        if dear:
            refused = ", so its entries are refused" if settings.risk.cost_guard == "refuse" else ""
            bound.bind(event="cost.too_dear").warning(
                f"COST {symbol}: a round trip costs {cost:.3%}, more than the target of {target:.3%} brings{refused}"
            )
        else:
            bound.bind(event="cost.covered").info(
                f"COST {symbol}: a round trip costs {cost:.3%}, and the target of {target:.3%} covers it"
            )
