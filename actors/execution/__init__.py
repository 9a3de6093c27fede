"""Execution: what becomes of an approved signal and of a signal to exit, from the first order to the last fill."""
