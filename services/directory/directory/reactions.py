"""Directory reacts to nobody but itself: like every service it keeps `members`, by its own events."""
