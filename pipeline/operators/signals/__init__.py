"""What a pipe ends in: from frames that meet their conditions to signals."""
