"""The settings that decisions depend on."""

from __future__ import annotations

import msgspec

from actors.brokers.simulated import ExecutionSettings
from actors.engine.guard import Fallback
from actors.engine.strategy_instance import ChainSettings
from actors.execution.policy import OrderSettings
from actors.risk.limits import Costs, LimitSettings
from actors.risk.risk import RiskSettings
from pipeline.strategy import StrategySettings, StrategyUse


class CoreSettings(msgspec.Struct, frozen=True):
    """The settings that decisions depend on; with the ordered inputs they determine every one."""

    strategy: StrategySettings = StrategySettings()
    risk: RiskSettings = RiskSettings()
    execution: ExecutionSettings = ExecutionSettings()
    limits: LimitSettings = LimitSettings()
    orders: OrderSettings = OrderSettings()
    chains: ChainSettings = ChainSettings()
    strategies: dict[str, StrategyUse] = {}

    @property
    def claims(self) -> dict[str, str]:
        """Which strategy has a symbol of its own, by symbol; all others have that of [strategy]."""
        return {symbol: name for name, use in self.strategies.items() for symbol in use.symbols}

    def of(self, name: str | None) -> CoreSettings:
        """Return the settings as a strategy of that name has them; None is that of [strategy]."""
        return self if name is None else msgspec.structs.replace(self, strategy=self.strategies[name])

    @property
    def fallback(self) -> Fallback:
        """What closes a position that its exits do not."""
        risk, strategy = self.risk, self.strategy
        return Fallback.of(risk.fallback_stop, risk.fallback_hold_s, strategy.stop_loss, strategy.time_stop_seconds)

    @property
    def costs(self) -> Costs:
        """What a trade costs, and what it is to bring."""
        execution = self.execution
        return Costs(
            target=self.strategy.profit_target,
            slippage=execution.slippage_bps / 10_000,
            at_quote=execution.fill == "quote",
            fees=execution.fee_model,
        )
