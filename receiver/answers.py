"""The JSON in which the receiver answers: success with two times, or an error code with a sentence."""

from __future__ import annotations

from datetime import UTC, datetime

import orjson

from receiver.refusals import Code

RECEIVED = "Data received successfully"


def at(milliseconds: int) -> datetime:
    """The moment that is so many milliseconds after the start of 1970."""
    return datetime.fromtimestamp(milliseconds / 1000, UTC)


def zulu(moment: datetime) -> str:
    """A moment in UTC as Laravel writes it: `2024-01-15T10:30:00.000000Z`."""
    return moment.isoformat(timespec="microseconds").replace("+00:00", "Z")


def accepted(time: str, now: int) -> bytes:
    """The answer to a push, of the moment `time`, that was taken and saved."""
    return orjson.dumps({"success": True, "message": RECEIVED, "timestamp": time, "received_at": zulu(at(now))})


def refused(code: Code, message: str, now: int) -> bytes:
    """The answer to a request that changed nothing."""
    return orjson.dumps({"success": False, "message": message, "error_code": code, "timestamp": zulu(at(now))})
