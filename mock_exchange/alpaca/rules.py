"""The rules of Alpaca that the mock exchange follows: since when each holds, where that is written, and how sure it is.

docs/EXCHANGE.md shows this table, and a test holds the two together. What is not verified is a switch: its name
among `unverified` in the settings turns it on, and it is off else. What goes wrong is a fault, off likewise.
"""

from __future__ import annotations

import msgspec


class Rule(msgspec.Struct, frozen=True):
    """A rule. `since` is when it began, or the date of the page that states it."""

    since: str
    rule: str
    source: str  # a tag of SOURCES
    setting: str = ""  # of [exchange], that changes it; empty: nothing does
    fault: str = ""  # of the catalogue (`faults.py`), without which it does not happen
    switch: str = ""  # of a rule that is not verified: its name in `unverified`, without which it is off


SOURCES = {
    "spec": "Alpaca's OpenAPI files, as of 2026-08-13",
    "changelog": "docs.alpaca.markets/us/changelog, the entry of that date",
    "orders": "docs.alpaca.markets/docs/orders-at-alpaca",
    "protection": "docs.alpaca.markets/us/docs/user-protection, 2026-09-16",
    "margin": "docs.alpaca.markets/us/docs/margin-and-short-selling, 2026-09-17; the-intraday-margin-rule, 2026-04-27",
    "stream": "docs.alpaca.markets/us/docs/streaming-market-data, 2026-08-27",
    "data": "docs.alpaca.markets/us/docs/about-market-data-api, 2026-07-16; market-data-faq, 2026-09-21",
    "limits": "alpaca.markets/support/usage-limit-api-calls",
    "errors": "alpaca.markets/learn/how-to-fix-common-trading-api-errors-at-alpaca, 2026-03",
    "fees": "Alpaca's brokerage fee schedule, 2026-09-17",
    "sec": "17 CFR 242.612 and the SEC's round-lot tiers, in force since 2025-11-03",
    "logs": "what users' published logs show, 2026",
    "sdk": "Alpaca's client in Go, which tries again for it",
    "probe": "a recorded session at wss://stream.data.alpaca.markets/v2/iex, 2026-09-15",
    "none": "nothing but a title in the changelog, or nothing at all",
}
"""What the tags of sources mean."""

ACCOUNT = (
    Rule("2026-06-04", "No day-trade count, no $25,000: from $2,000 of equity up to 4x within the day.", "margin"),
    Rule("2026-06-04", "Below $2,000 of equity nothing is borrowed, neither money nor shares.", "margin"),
    Rule("2026-07-06", "The fields of pattern day trading are gone from account and configuration.", "changelog"),
    Rule("2026-05", "The configuration has `disable_overnight_trading`; it is only kept.", "spec"),
    Rule("2026-06-05", "`borrow_status` of an asset says whether it can be borrowed.", "changelog"),
    Rule("2026-07-16", "`easy_to_borrow` may be missing; `false` leaves it out.", "changelog", "easy_to_borrow"),
    Rule("2026-05", "Days of the calendar have a `settlement_date`.", "spec"),
    Rule("2026-08-12", "Activity types are those of the schema: CGD and FOPT among them, CIL and MEM not.", "spec"),
    Rule("2026-07-29", "Activities are filtered by `order_id`; `date` is the day of creation, in UTC.", "spec"),
    Rule("2026-06-22", "Activities that are no trades carry their `currency`.", "changelog"),
    Rule("2026-09-17", "Each kind of fee is summed over a day and rounded up; paper has none.", "fees", "paper"),
    Rule("2026-07-20", "Numbers of the portfolio's history may be null.", "none", switch="null_history"),
)

ORDERS = (
    Rule("2026", "A buy stop becomes a stop limit: 4 % above its stop below $50, 2.5 % from there on.", "orders"),
    Rule("2026-07", "A stop that the market has passed is refused (422) with its `market_price`.", "logs"),
    Rule("2026", "A GTC order is canceled after 90 days, at 16:15 in New York (`expires_at`).", "orders"),
    Rule("2026", "A bracket's legs begin once its entry is filled completely; one canceled cancels all.", "orders"),
    Rule("2026", "The legs of an entry that ends partly filled guard that part.", "none", "legs_for_parts"),
    Rule("2026", "Fills are in regular hours, days end at the close; off: it never closes.", "orders", "trading_hours"),
    Rule("2026-09-16", "A wash trade is refused (403), but for complex orders and trailing stops.", "protection"),
    Rule("2026-05-05", "`opg` and `cls` are refused (422) but where Alpaca's staff has enabled them.", "orders"),
    Rule("2026-05-13", "A notional order cannot be replaced at all.", "spec"),
    Rule("2026", "What has ended cannot be replaced: `unable to replace order in current state` (422).", "logs"),
    Rule("2026", "OTO orders and their legs cannot be replaced.", "orders"),
    Rule("2026-03", "A used `client_order_id` is refused (422, 40010001): it must be unique.", "errors"),
    Rule("2026-03", "Unknown words and missing prices have that code, too (422, 40010001).", "errors"),
    Rule("2026", "Fractions are orders of the day, and never complex.", "orders"),
    Rule("2025-11", "From $1.00 on prices are whole cents, below it hundredths of one.", "sec"),
    Rule("2026-03", "Orders are listed before or after an id, not together with a time; by `asset_class`.", "spec"),
    Rule("2026", "`ioc` and `fok` are refused, too (422).", "orders", switch="retail_times_in_force"),
    Rule("2025", "A limit more than half away from the last trade is refused.", "protection", switch="price_away"),
    Rule("2026", "A used `client_order_id` is refused as 42210000.", "logs", switch="duplicate_as_bad_value"),
    Rule("2026-08-12", "A rejection says why on the trading stream, too.", "none", switch="reject_reasons"),
)

ANSWERS = (
    Rule("2026-09", "200 REST calls a minute and account; one more is a 429.", "limits", "requests_per_minute"),
    Rule("2026-08", "`X-RateLimit-*` come with data and the clock; here with every call.", "spec"),
    Rule("2026-08", "They do not come with other calls.", "none", switch="no_limit_headers"),
    Rule("2026-03", "Without keys a trading call is a 401 with a page of nginx, with wrong ones in JSON.", "errors"),
    Rule("2026-09-21", "Without the right keys a call for data is a 403.", "data"),
)

STREAMS = (
    Rule("2026-07-16", "The Basic plan has 30 symbols of trades and quotes (405).", "data", "feed_channels"),
    Rule("2026-08-27", "One connection to a feed; a second is a 406.", "stream", "feed_connections"),
    Rule("2026-08-27", "Who has not authenticated after 10 s is told 404.", "stream", "auth_timeout_s"),
    Rule("2026-08-27", "Keys may come in the handshake's headers.", "stream"),
    Rule("2026-09", "After an error the socket stays open, also after 409; lists leave empty channels out.", "probe"),
    Rule("2026-09", "An unknown channel and an empty list are a 400.", "probe"),
    Rule("2026-09", "`corrections` and `cancelErrors` come with `trades`, without being asked for.", "probe"),
    Rule("2025-11-03", "Sizes of quotes are in shares; how many make a round lot depends on the price.", "sec"),
    Rule("2026-09", "Each print has its conditions and its tape; odd lots move no price.", "data"),
    Rule("2026-07-30", "`accepted`, `trade_bust` and others come on the trading stream.", "changelog", "stream_events"),
    Rule("2026-09", "Prints at average prices (`W`, `B`) are far off the market.", "data", fault="average_prices"),
    Rule("2026-09", "Prints of earlier trades (`Z`) come out of sequence.", "data", fault="late_prints"),
    Rule("2026-08-27", "Trades are canceled and corrected.", "stream", fault="undone"),
    Rule("2026-09", "A client's close is answered by none (1006).", "probe", fault="rude_close"),
    Rule("2026", "A lost connection counts on for a while (406).", "sdk", fault="lingering"),
)

TABLE = {"Accounts and assets": ACCOUNT, "Orders": ORDERS, "REST": ANSWERS, "Streams": STREAMS}
"""All rules, by what they are about."""

SWITCHES = frozenset(rule.switch for rules in TABLE.values() for rule in rules if rule.switch)
"""The names of the rules that are off unless `unverified` names them."""


def markdown() -> str:
    """Write the table as docs/EXCHANGE.md shows it: what is not verified at the end."""
    lines: list[str] = []
    for about, rules in TABLE.items():
        lines += [f"### {about}", "", "| since | rule | source | setting |", "|---|---|---|---|"]
        for it in sorted(rules, key=lambda it: bool(it.switch)):
            lines.append(f"| {it.since} | {it.rule} | {it.source} | {_switched(it)} |")
        lines.append("")
    return "\n".join([*lines, *(f"- {tag}: {what}" for tag, what in SOURCES.items())])


def _switched(rule: Rule) -> str:
    """Return by what a rule is changed, or turned on."""
    for kind, name in (("`unverified`: ", rule.switch), ("`--fault` ", rule.fault), ("", rule.setting)):
        if name:
            return f"{kind}`{name}`"
    return ""
