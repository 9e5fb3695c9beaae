"""From what is stored to values: which series a leaf has, its times, its cells."""
