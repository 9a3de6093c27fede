"""Market events in, signals out: pure functions and operators, without I/O, clocks or threads."""
