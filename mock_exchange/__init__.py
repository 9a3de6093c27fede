"""A market with a seed, and a venue of its own that pushes it. It knows no other room of the project."""
