"""Proof before a strategy trades: checks, the tapes that they are made on, and what they look for."""
