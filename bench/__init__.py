"""Benchmarks: `make bench`, or `python -m bench --help`. Nothing here is asserted; it is measured and printed."""
