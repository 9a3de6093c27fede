"""A bot that runs: its session, its other processes, and the ways to it."""
