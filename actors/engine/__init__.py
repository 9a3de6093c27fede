"""The deterministic core: one ordered log of inputs, and what it has of each symbol."""
