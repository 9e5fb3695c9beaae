"""Rules: group tick → recorded samples (back to append) and alerts (on to dispatch). Of the stages, knows promql."""
