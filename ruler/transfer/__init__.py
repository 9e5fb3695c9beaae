"""Samples in and out: VictoriaMetrics's JSON lines, OpenMetrics with timestamps, CSV, and Parquet (out only).

Each format is one file of functions between bytes and SeriesSamples; none knows a database or HTTP.
"""
