"""Operators that go by time: they need the clock of the core as their scheduler."""
