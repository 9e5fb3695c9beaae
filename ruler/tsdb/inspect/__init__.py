"""What there is in a directory, for people and for plans; nothing is changed."""
