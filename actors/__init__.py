"""Who holds state and acts: the deterministic core and the actors in it, and the edges around it."""
