"""Alpaca's protocols, so that its own client takes the venue for real: REST, market data, trade updates. No I/O."""
