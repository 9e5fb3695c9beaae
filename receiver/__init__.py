"""The push receiver: push → validate → gauge → GET /metrics. It stands on common alone."""
