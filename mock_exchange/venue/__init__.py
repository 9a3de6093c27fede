"""What is traded, and by whom: orders, their matching, accounts. No I/O and no clock; it knows no protocol."""
