"""How samples get in: streams and the rings that they write to, and the import of old ones."""
