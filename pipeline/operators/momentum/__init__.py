"""Conditions on how far, how fast and in which direction the price moves."""
