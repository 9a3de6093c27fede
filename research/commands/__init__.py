"""The commands of this room, a module a command: options, and what is said to a person."""
