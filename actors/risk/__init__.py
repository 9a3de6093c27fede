"""Whether a signal may be traded: the bot's state, the limits, and what the venue allows."""
