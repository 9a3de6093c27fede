"""What the bot assumes of Alpaca, beside what this account says: each by reading only.

A contradiction that orders depend on has failed; any other is to look at. The rules with their sources:
docs/EXCHANGE.md.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal, InvalidOperation
from typing import Any
from uuid import uuid4

import msgspec

from actors.brokers.alpaca import codec
from actors.brokers.alpaca.messages import Answer, Outcome
from actors.brokers.alpaca.rest import Rest
from actors.brokers.alpaca.settings import AlpacaAddress
from service.doctor.findings import Finding, failed, ok, warning
from service.venues import KEY, SECRET

ANSWER_S = 5.0

_READ = ("account_number", "cash", "equity", "buying_power")  # of the account: without these, no order
_GONE = ("pattern_day_trader", "daytrade_count", "daytrading_buying_power")  # since 2026-07-06
_DAY = ("date", "open", "close", "session_open", "session_close", "settlement_date")
_CLOCK = ("timestamp", "is_open", "next_open", "next_close")
_CONFIGURATION = ("disable_overnight_trading", "fractional_trading", "max_margin_multiplier", "no_shorting")
_MARGIN_EQUITY = 2_000  # dollars
_DAYS = 10  # of the calendar

_OLD = "it is not read; look for a newer version of microbot, and for the venue's changelog"


async def examine(
    address: AlpacaAddress, environment: Mapping[str, str], symbols: Iterable[str], requests_per_minute: int
) -> list[Finding]:
    """Ask the venue, and judge each answer; about ten requests."""
    rest = Rest(address.rest_url, environment.get(KEY, ""), environment.get(SECRET, ""), ANSWER_S)
    stranger = Rest(address.rest_url, "", "", ANSWER_S)
    today = datetime.now(UTC).date()
    days = {"start": today.isoformat(), "end": (today + timedelta(_DAYS)).isoformat()}
    try:
        told = await rest.call("GET", "/v2/account")
        configured = await rest.call("GET", "/v2/account/configurations")
        return [
            account(read(told)),
            configuration(read(configured)),
            margin(read(told), read(configured)),
            clock(read(await rest.call("GET", "/v2/clock"))),
            calendar(read(await rest.call("GET", "/v2/calendar", days))),
            *[asset(symbol, read(await rest.call("GET", f"/v2/assets/{symbol}"))) for symbol in symbols],
            unknown_order(
                await rest.call("GET", "/v2/orders:by_client_order_id", {"client_order_id": f"mb-{uuid4().hex}"})
            ),
            without_keys(await stranger.call("GET", "/v2/account")),
            limit(told, requests_per_minute),
        ]
    finally:
        await rest.close()
        await stranger.close()


def read(outcome: Outcome) -> Any:
    """Return the JSON of an answer; None without one, or for one that refuses."""
    if not isinstance(outcome, Answer) or outcome.status != 200:
        return None
    try:
        return msgspec.json.decode(outcome.body)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return None


def said(outcome: Outcome) -> str:
    """Return what a request came to, in a few words."""
    if not isinstance(outcome, Answer):
        return outcome.reason
    refusal = codec.refusal(outcome.body, outcome.status)
    return f"{outcome.status}, code {refusal.code}: {refusal.message}" if outcome.status >= 400 else f"{outcome.status}"


def _lacks(body: Any, names: Iterable[str]) -> list[str]:
    return [name for name in names if not isinstance(body, dict) or name not in body]


def account(body: Any) -> Finding:
    """Judge the fields of the account."""
    check = "account"
    if missing := _lacks(body, _READ):
        return failed(check, f"it does not tell {', '.join(missing)}", "the bot cannot trade there: do not start it")
    if not all(isinstance(body[name], str) for name in _READ):
        return warning(check, "money is not text, as it is assumed to be", "amounts may be rounded: compare the first")
    if old := [name for name in _GONE if name in body]:
        return warning(check, f"it still tells {', '.join(old)}; assumed: gone since 2026-07-06", _OLD)
    return ok(check, "it tells what is assumed, and nothing of day trades")


def configuration(body: Any) -> Finding:
    """Judge the account's configuration."""
    check = "configuration"
    if missing := _lacks(body, _CONFIGURATION):
        return warning(check, f"it does not tell {', '.join(missing)}, as is assumed since 2026-05", _OLD)
    return ok(check, "it tells what is assumed")


def margin(body: Any, configured: Any) -> Finding:
    """Judge multiplier and buying power by the rule of 2026-06-04: 4x from $2,000 on, else 1x."""
    check = "margin"
    most = configured.get("max_margin_multiplier", "4") if isinstance(configured, dict) else "4"
    try:
        equity, power = Decimal(body["equity"]), Decimal(body["buying_power"])
        multiplier = Decimal(body["multiplier"])
        expected = min(Decimal(4), Decimal(most)) if equity >= _MARGIN_EQUITY else Decimal(1)
    except (KeyError, TypeError, ValueError, InvalidOperation):
        return warning(check, "the account does not tell equity, buying_power and multiplier", _OLD)
    found = f"multiplier {multiplier} at ${equity:,.2f}"
    remedy = "the bot goes by buying_power alone; at a mock exchange your strategy meets another limit"
    if multiplier != expected:
        return warning(check, f"{found}; assumed: {expected}", remedy)
    if power > multiplier * equity * Decimal("1.01"):
        return warning(check, f"{found}, and buying power of ${power:,.2f}, which is more than that", remedy)
    return ok(check, f"{found}, as assumed")


def clock(body: Any) -> Finding:
    """Judge the venue's clock."""
    check = "venue's clock"
    if missing := _lacks(body, _CLOCK):
        return warning(check, f"it does not tell {', '.join(missing)}", _OLD)
    if codec.nanoseconds(body["timestamp"]) is None:
        return failed(check, f"its time cannot be read: {str(body['timestamp'])[:40]!r}", "do not trade there")
    return ok(check, f"it tells what is assumed; the market is {'open' if body['is_open'] else 'closed'}")


def calendar(body: Any) -> Finding:
    """Judge the days of the venue's calendar."""
    check = "venue's calendar"
    if not isinstance(body, list) or not body:
        return warning(check, f"it tells no day of the next {_DAYS}", "the bot goes by its own (hours.calendar)")
    if missing := sorted({name for day in body for name in _lacks(day, _DAY)}):
        return warning(check, f"its days do not tell {', '.join(missing)}", _OLD)
    return ok(check, f"its next {len(body)} days tell what is assumed")


def asset(symbol: str, body: Any) -> Finding:
    """Judge what is told of a symbol, above all whether it can be borrowed."""
    check = f"asset {symbol}"
    if missing := _lacks(body, ("tradable", "shortable", "fractionable")):
        return failed(check, f"the venue does not tell {', '.join(missing)}", "is the symbol right?")
    easy = f"easy_to_borrow {body['easy_to_borrow']}" if "easy_to_borrow" in body else "no easy_to_borrow"
    if "borrow_status" not in body:
        return warning(check, f"no borrow_status, assumed since 2026-06-05; {easy}", "try a short on paper first")
    return ok(check, f"borrow_status {body['borrow_status']}, {easy}")


def unknown_order(outcome: Outcome) -> Finding:
    """Judge how the venue answers for an order that it does not know: on this hangs the fate of lost answers."""
    check, found = "unknown order", said(outcome)
    if isinstance(outcome, Answer) and codec.is_missing(outcome.status, codec.refusal(outcome.body, outcome.status)):
        return ok(check, f"it is missing, as assumed ({found})")
    remedy = "an order whose answer is lost would stay unknown: do not trade there"
    return failed(check, f"asked for by its client_order_id: {found}; assumed: 404, code {codec.MISSING_CODE}", remedy)


def without_keys(outcome: Outcome) -> Finding:
    """Judge how the venue answers without keys."""
    check, found = "missing keys", said(outcome)
    if isinstance(outcome, Answer) and codec.is_about_keys(outcome.status, codec.refusal(outcome.body, outcome.status)):
        return ok(check, f"are refused, as assumed ({outcome.status})")
    return warning(check, f"{found}; assumed: 401", "revoked keys would not be told from a venue that is away")


def limit(outcome: Outcome, assumed: int) -> Finding:
    """Judge what the venue says of its limit on requests; `assumed` is the bot's own count for a minute."""
    check = "limit on requests"
    quota = outcome.quota if isinstance(outcome, Answer) else None
    if quota is None:
        remedy = "the bot keeps its own count; let no other program use the account"
        return warning(check, f"trading calls do not tell it; the bot assumes {assumed} a minute", remedy)
    setting = f"--set broker.requests_per_minute={quota.limit}"
    if quota.limit < assumed:
        return failed(check, f"{quota.limit} a minute, and the bot assumes {assumed}", setting)
    found = f"{quota.limit} a minute, {max(0, quota.remaining)} left now; the bot assumes {assumed}"
    return ok(check, found + (f" ({setting} would use all)" if quota.limit > assumed else ""))
