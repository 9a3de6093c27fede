"""Codes in the words that people read: why a burst gave no signal, why a signal was refused."""

from __future__ import annotations

REASONS = {
    "NO_VOLUME_SPIKE": "no volume spike",
    "NO_VOLATILITY": "range too small",
    "NEVER_TOGETHER": "never all at once",
    "HALTED": "trading is halted",
    "PAUSED": "trading is paused",
    "REDUCING": "only reducing",
    "STALE_FEED": "feed is stale",
    "DELAYED_FEED": "prices are minutes old",
    "STALE_SYMBOL": "feed is silent of it",
    "POSITION_OPEN": "position open",
    "COOLDOWN": "cooling down",
    "EXPIRED": "signal too old",
    "BROKER_DOWN": "broker cannot be heard",
    "BROKER_BLOCKED": "account is blocked",
    "COST": "costs more than it can bring",
    "FRACTIONAL": "parts of a share",
    "PRICE_BAND": "price beyond its band",
    "PRICE_COLLAR": "quote far off the last price",
    "FOREIGN_ORDER": "a foreign order is open",
    "RATE_LIMIT": "too many orders",
    "REPEATED": "the same again too soon",
    "SPREAD": "spread too wide",
    "TRADING_HALT": "halted at the venue",
    "MARKET_CLOSED": "market is closed",
    "STRATEGY_HALTED": "strategy halted today",
    "LOCKED": "symbol is locked",
    "SYMBOL_LOSS": "symbol's loss limit",
    "DRAWDOWN": "drawdown limit",
    "SIZE_ZERO": "size comes to nothing",
    "MAX_QUANTITY": "more shares than allowed",
    "MAX_NOTIONAL": "more money than allowed",
    "MAX_EXPOSURE": "most exposure reached",
    "MAX_POSITIONS": "most positions open",
    "TRADES_PER_DAY": "most trades today",
    "LOSING_STREAK": "losing streak",
}


def reason(code: str) -> str:
    """Return what a code stands for; one that is not known here, as an author's own, is read as words.

    >>> reason("COOLDOWN"), reason("NO_MOON")
    ('cooling down', 'no moon')
    """
    return REASONS.get(code) or code.replace("_", " ").lower()
