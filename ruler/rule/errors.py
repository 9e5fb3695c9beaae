"""The errors of rule evaluation."""

from __future__ import annotations

from common.errors import TocsinError


class RuleError(TocsinError):
    """A rule whose result cannot be used."""
