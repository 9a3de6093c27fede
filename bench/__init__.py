"""Benchmarks: `make bench`, or `python -m bench --help`; the pictures and figures of docs/.

Nothing here is asserted; it is measured and printed.
"""
