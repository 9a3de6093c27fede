"""Engines: what decides on a tape with many settings, exactly through the core, or compiled."""
