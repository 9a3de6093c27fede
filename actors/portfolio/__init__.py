"""Positions, and the figures of a session."""
