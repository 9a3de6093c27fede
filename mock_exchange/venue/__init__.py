"""Orders, their matching, and accounts. No I/O and no clock; it knows no protocol."""
