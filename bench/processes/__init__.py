"""Programs that a benchmark starts: what is measured runs in a process of its own, as it does in earnest."""
