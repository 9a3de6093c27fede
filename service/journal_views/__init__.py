"""The journal for people: what it tells, its upkeep, and the account beside it."""
