"""Answers from data: tapes in, reports out, sweeps over settings, on one machine or many.

Everything heavy is imported where it is used: the base install has none of it, and `microbot run` never loads it.
"""
