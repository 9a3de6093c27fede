"""What is watched from outside: edges that may be restarted, strategies that take too long."""
