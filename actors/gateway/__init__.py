"""The way out: the journal, the gate behind it, and the kill switch that works without the core."""
