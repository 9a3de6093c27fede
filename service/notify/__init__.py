"""Notifications: what happened, told to a phone, from a process of its own.

The journal is the truth: its facts are read from a stored cursor on, so that what a bot or a notifier that died could
not tell is told later, under the same id. What the journal does not hold (the feed, the day's P/L, the trading state
while it cannot be written) comes over the pipe, once a second.
"""
