"""From ticks to frames: the windows that they look back on."""
