"""What a broker did to our orders, and the simulator's settings under which it would have done the same."""
