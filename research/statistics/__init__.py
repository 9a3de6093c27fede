"""Statistics of trades: how far a mean may be luck, and what many tries make of the best of them."""
