"""Archives: series kept for long in buckets, how they are built and read."""
