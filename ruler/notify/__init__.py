"""notify: a notification in, messages out. Mutes, deduplicates, retries and records; decides nothing about groups."""
