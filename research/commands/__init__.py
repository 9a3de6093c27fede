"""The commands that ask questions of recorded data, a module a command: they load what is heavy when they run."""
