"""The book beside the broker's account: what differs, and what explains it."""
