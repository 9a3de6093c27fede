"""The simulation: market, venue, network, broker and bot in one thread of virtual time, with faults from a seed."""
