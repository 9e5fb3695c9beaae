"""One table from what was raised to Prometheus's errorType and HTTP status (as its web/api/v1 respondError)."""

from __future__ import annotations

from common.errors import (
    BadMatching,
    DiskRefused,
    ParseError,
    QueryCanceled,
    QueryError,
    QueryTimeout,
    TocsinError,
    TooManySamples,
)
from ruler.transfer.csvcolumns import BadColumns


class BadRequest(TocsinError):  # noqa: N818  (HTTP's word)
    """A request whose parameters cannot be understood."""


class NotFound(TocsinError):  # noqa: N818
    """A request for what is not there."""


class Forbidden(TocsinError):  # noqa: N818
    """A request that the operator has not allowed."""


class AdminDisabled(TocsinError):  # noqa: N818
    """A request for what a flag has to enable; Prometheus calls it unavailable and answers 500."""


class Unavailable(TocsinError):  # noqa: N818
    """A request that could be answered later."""


# The first class that fits decides: the narrower stand before the wider.
ANSWERS: tuple[tuple[type[TocsinError], str, int], ...] = (
    (BadRequest, "bad_data", 400),
    (Forbidden, "forbidden", 403),
    (NotFound, "not_found", 404),
    (AdminDisabled, "unavailable", 500),
    (Unavailable, "unavailable", 503),
    (DiskRefused, "unavailable", 503),
    (ParseError, "bad_data", 400),
    (BadColumns, "bad_data", 400),
    (QueryTimeout, "timeout", 503),
    (QueryCanceled, "canceled", 503),
    (TooManySamples, "execution", 422),
    (BadMatching, "execution", 422),
    (QueryError, "execution", 422),
    (TocsinError, "internal", 500),
)


def answer(error: TocsinError) -> tuple[str, int]:
    """The errorType and the HTTP status for `error`."""
    return next((kind, status) for type_, kind, status in ANSWERS if isinstance(error, type_))
