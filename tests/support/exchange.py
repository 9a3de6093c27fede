"""The mock exchange as a process of its own, and what its account says over REST."""

from __future__ import annotations

import http.client
import json
import subprocess
import threading
from decimal import Decimal
from typing import Any, Self

from tests.support.live import MICROBOT, PATIENCE_S, ROOT, environment, wait_until

KEY, SECRET = "MOCK-KEY", "MOCK-SECRET"
KEYS = {"APCA_API_KEY_ID": KEY, "APCA_API_SECRET_KEY": SECRET}


def is_stop(order: dict[str, Any]) -> bool:
    """Whether an order is a stop: a buy stop is read back as a stop limit."""
    return order["type"] in ("stop", "stop_limit")


class Account:
    """The default account of a mock exchange on this machine, as REST tells of it, and the exchange's switches."""

    def __init__(self, port: int) -> None:
        self.port = port

    def call(self, method: str, path: str, body: Any = None) -> Any:
        """Make a REST call with the default account's keys, and return what was answered."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE_S)
        headers = {"APCA-API-KEY-ID": KEY, "APCA-API-SECRET-KEY": SECRET, "Content-Type": "application/json"}
        try:
            connection.request(method, path, None if body is None else json.dumps(body), headers)
            answer = connection.getresponse()
            text = answer.read()
            assert answer.status < 300, (method, path, answer.status, text)
            return json.loads(text) if text else None
        finally:
            connection.close()

    def get(self, path: str) -> Any:
        return self.call("GET", path)

    @property
    def positions(self) -> dict[str, str]:
        """Shares held, by symbol, negative for a short position."""
        return {p["symbol"]: p["qty"] for p in self.get("/v2/positions")}

    @property
    def open_orders(self) -> list[dict[str, Any]]:
        orders: list[dict[str, Any]] = self.get("/v2/orders?status=open&limit=500")
        return orders

    @property
    def orders(self) -> list[dict[str, Any]]:
        """Every order of the account, oldest first."""
        found: dict[str, dict[str, Any]] = {}
        until = ""
        while page := self.get(f"/v2/orders?status=all&limit=500&direction=desc{until}"):
            new = [order for order in page if order["id"] not in found]
            if not new:
                break
            found |= {order["id"]: order for order in new}
            until = f"&until={new[-1]['submitted_at']}"
        return sorted(found.values(), key=lambda order: order["submitted_at"])

    @property
    def earned(self) -> Decimal:
        """Money that trades have brought since the beginning, before the fees that were charged at each midnight."""
        cash = Decimal(self.get("/v2/account")["cash"])
        fees = self.get("/v2/account/activities?activity_types=FEE,CFEE")
        return cash - 100_000 - sum(Decimal(fee["net_amount"]) for fee in fees)

    def strike(self, *faults: str) -> None:
        """Turn on exactly these faults, and all others off."""
        self.call("POST", "/control/faults", {"faults": faults})

    def until_flat(self) -> None:
        wait_until(lambda: not self.positions)


class ExchangeServer(Account):
    """`microbot exchange` on a free port, until the block ends."""

    def __init__(self, *options: object) -> None:
        self.process = subprocess.Popen(
            [MICROBOT, "exchange", "--port", "0", "--set", "exchange.requests_per_minute=1000000", *map(str, options)],
            cwd=ROOT,
            env=environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        super().__init__(
            int(next(word for word in line.split() if word.startswith("ws://")).rstrip("/").rpartition(":")[2])
        )
        self.url = f"http://127.0.0.1:{self.port}"
        self._drains = [
            threading.Thread(target=pipe.read, daemon=True)
            for pipe in (self.process.stdout, self.process.stderr)
            if pipe is not None
        ]
        for drain in self._drains:
            drain.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.terminate()
        try:
            self.process.wait(PATIENCE_S)
        finally:
            self.process.kill()
            for drain in self._drains:
                drain.join(PATIENCE_S)
            for pipe in (self.process.stdout, self.process.stderr):
                assert pipe is not None
                pipe.close()
