"""Sweeps: many settings over the same tapes, and how much of the best one's result is the search itself."""
