"""The close-out: what the gate does by itself, step by step, while the core decides nothing."""

from __future__ import annotations

from decimal import Decimal

from actors.execution.retries import wait_s
from actors.gateway.shadow_ledger import ZERO, ShadowLedger, TrackedOrder
from actors.orders import CancelOrder, LookUpOrder, OrderRole, OrderSide, SubmitOrder

AGAIN_S = 1.0  # real seconds after which an order without news is asked for; twice as long each time
MISSING_S = 5.0  # an order that the venue does not know for so long was never placed


class CloseOut:
    """Decides the next effects from what the ledger says; it waits for nothing and sends nothing.

    First every order of ours is taken back, until the venue has told the end of each. Then one order at market closes
    what is left of each position, never more than the account holds of it. Its id is made of the position's decision
    and counts the attempts, and the next is sent only once the end of the last is known: so nothing is closed twice.
    """

    def __init__(self, ledger: ShadowLedger, book: str, reason: str, attempts: dict[str, int] | None = None) -> None:
        self.canceled: set[str] = set()  # orders that were to be taken back
        self.closed: dict[str, Decimal] = {}  # shares that orders were sent for, by symbol
        self.differs: dict[str, str] = {}  # symbols of which the account does not hold what we think: how so
        self._ledger = ledger
        self._book = book
        self._reason = reason
        self._ask_at: dict[str, float] = {}  # by order
        self._tries: dict[str, int] = {}  # by order: how often it was to be taken back, or asked for
        self._missing_since: dict[str, float] = {}  # by order
        self._given_up: set[str] = set()  # orders that never got there
        self._attempts = attempts if attempts is not None else {}  # by cause; they outlive a close-out
        self._retry_at: dict[str, float] = {}  # by symbol
        self._mark: int | None = None  # reports of the account when everything had become quiet

    @property
    def is_done(self) -> bool:
        """Whether no order of ours works, and nothing is held that could be closed."""
        return not self._works() and not (self._ledger.positions().keys() - self.differs.keys())

    @property
    def wants_account(self) -> bool:
        """Whether the account is to be read before anything else can be done."""
        return self._mark is not None and self._ledger.accounts < self._mark + 2

    def step(self, now_s: float) -> list[CancelOrder | LookUpOrder | SubmitOrder]:
        """Return what is to be sent now; `now_s` is monotonic."""
        for known in self._ledger.working():
            self._look_for(known, now_s)
        if working := self._works():
            self._mark = None
            return [effect for known in working for effect in self._take_back(known, now_s)]
        if self._mark is None:
            self._mark = self._ledger.accounts
        return [
            order
            for symbol, (held, decision) in sorted(self._ledger.positions().items())
            if (order := self._close(symbol, held, decision, now_s)) is not None
        ]

    # ------------------------------------------------------------------------------------------------ orders

    def _works(self) -> list[TrackedOrder]:
        return [known for known in self._ledger.working() if known.order.id not in self._given_up]

    def _look_for(self, known: TrackedOrder, now_s: float) -> None:
        """Give an order up that was missing at the venue for so long that it never got there."""
        name = known.order.id
        if not known.missing:
            self._missing_since.pop(name, None)
            self._given_up.discard(name)
        elif now_s - self._missing_since.setdefault(name, now_s) >= MISSING_S:
            self._given_up.add(name)

    def _take_back(self, known: TrackedOrder, now_s: float) -> list[CancelOrder | LookUpOrder]:
        name = known.order.id
        if now_s < self._ask_at.get(name, 0.0):
            return []
        tries = self._tries[name] = self._tries.get(name, 0) + 1
        first = tries == 1
        self._ask_at[name] = now_s + wait_s(AGAIN_S, tries)  # later each time: what closes is not to wait behind it
        if known.order.role is OrderRole.GATE:  # it is what closes: asked for, never taken back
            return [] if first else [LookUpOrder(name)]
        self.canceled.add(name)
        return [CancelOrder(name)] if first else [CancelOrder(name), LookUpOrder(name)]

    def _close(self, symbol: str, held: Decimal, decision: str, now_s: float) -> SubmitOrder | None:
        theirs = self._ledger.in_account(symbol)
        read_since = self._ledger.accounts - (self._mark or 0)
        if read_since < 1 or (theirs != held and read_since < 2) or now_s < self._retry_at.get(symbol, 0.0):
            return None  # a reading that began before everything was quiet may be of before
        quantity = min(abs(held), abs(theirs)) if held * theirs > 0 else ZERO
        if quantity == abs(held):
            self.differs.pop(symbol, None)
        else:
            self.differs[symbol] = f"{symbol}: the account holds {theirs:f}, the book {held:f}"
        if not quantity:
            return None
        cause = f"{self._book}.{decision}.{symbol}.{OrderRole.GATE}"
        attempt = self._attempts[cause] = self._attempts.get(cause, 0) + 1
        self._retry_at[symbol] = now_s + wait_s(AGAIN_S, attempt)
        self.closed[symbol] = quantity
        side = OrderSide.SELL if held > 0 else OrderSide.BUY
        return SubmitOrder(f"{cause}.{attempt}", symbol, side, quantity, decision, OrderRole.GATE, self._reason)
