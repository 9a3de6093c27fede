"""Feeds: a venue's market data, or a tape being played, as an Observable of inputs."""
