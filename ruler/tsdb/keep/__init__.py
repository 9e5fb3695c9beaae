"""What keeps a database small and sound: sealing, merging, retention, deletion, snapshots, checks."""
