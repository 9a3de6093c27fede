"""Conditions on how much the price moves about, whichever way."""
