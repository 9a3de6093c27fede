"""The commands that ask questions of recorded data, a module each."""
