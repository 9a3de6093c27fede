"""Conditions on what was traded."""
