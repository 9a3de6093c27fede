"""The data folder: what a bot keeps on the disk, where each part of it lies, and who may use it."""

JOURNAL = "microbot.db"
"""The journal's file."""

SESSIONS = "sessions"
"""The folder of recorded sessions."""
