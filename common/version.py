"""The version of Tocsin, in the one place that pyproject.toml reads too."""

VERSION = "0.1.0"
