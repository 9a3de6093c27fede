"""Sessions as files: recorded, listed, decided again, compared."""
