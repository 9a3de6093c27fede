"""Brokers: they take orders and answer by reports, never by return values."""
