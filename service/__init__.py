"""The composition root: the command line, settings, logging, and the wiring of all the rooms."""
