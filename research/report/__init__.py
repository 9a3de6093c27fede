"""What a run did, where its money went, and how much of that is luck: one page, one JSON, one text."""
