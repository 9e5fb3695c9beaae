"""Labels as columns of codes: which series there are, and which a matcher selects."""
