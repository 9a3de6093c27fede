"""Where the price has been: averages, and what is made of them."""
