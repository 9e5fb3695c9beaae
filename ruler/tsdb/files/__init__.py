"""The bytes on disk: pages, chunks, segments of labels, and the door to the file system."""
