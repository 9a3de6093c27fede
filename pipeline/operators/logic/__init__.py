"""What is to hold, and which way that points."""
