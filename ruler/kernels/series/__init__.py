"""Many series at once: groups, choices, order, and which series belong together."""
