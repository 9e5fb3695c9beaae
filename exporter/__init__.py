"""The host exporter: read → parse → collect → GET /metrics, under node_exporter's names, labels and types."""
