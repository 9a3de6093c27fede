"""What the best bid and ask say."""
