"""From what venues and tapes say, in bytes, to events: pure decoders."""
