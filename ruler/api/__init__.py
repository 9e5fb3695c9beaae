"""HTTP: the only window on the street. Speaks Prometheus's /api/v1 and Alertmanager's /api/v2; decides nothing."""
