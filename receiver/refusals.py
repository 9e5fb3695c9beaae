"""Why a push is refused: an error code, an HTTP status and a sentence. Every refusal of the receiver is made here."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from typing import Any

from common.errors import PushError

MAX_SHOWN = 80


class Code(StrEnum):
    """The error_code of an answer."""

    MISSING_TOKEN = "MISSING_TOKEN"  # noqa: S105  (a code, not a token)
    INVALID_TOKEN = "INVALID_TOKEN"  # noqa: S105
    MISSING_FIELDS = "MISSING_FIELDS"
    INVALID_DATA = "INVALID_DATA"
    SERVER_ERROR = "SERVER_ERROR"
    NOT_FOUND = "NOT_FOUND"
    METHOD_NOT_ALLOWED = "METHOD_NOT_ALLOWED"


class Refusal(PushError):  # noqa: N818  (the field's word)
    """A Refusal is a push that changes nothing, with the code and the HTTP status that its sender is told."""

    def __init__(self, problem: str, *, path: str = "", code: Code = Code.INVALID_DATA, status: int = 400) -> None:
        self.code, self.status = code, status
        super().__init__(problem, path=path)


def missing_token() -> Refusal:
    return Refusal("X-API-Token header required", code=Code.MISSING_TOKEN, status=401)


def invalid_token() -> Refusal:
    return Refusal("Invalid API token", code=Code.INVALID_TOKEN, status=401)


def missing_fields(names: Sequence[str]) -> Refusal:
    return Refusal(f"Missing required fields: {', '.join(names)}", code=Code.MISSING_FIELDS)


def too_large(limit: int) -> Refusal:
    return Refusal(f"body: larger than {limit} bytes", status=413)


def unsupported(problem: str) -> Refusal:
    return Refusal(problem, status=415)


def shown(value: Any) -> str:
    """A value of a document as a refusal shows it: short, whatever its sender put there."""
    if isinstance(value, list):
        return f"a list of {len(value)}"
    if isinstance(value, dict):
        return f"an object of {len(value)}"
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, str) and len(value) > MAX_SHOWN:
        return repr(value[:MAX_SHOWN]) + "…"
    return repr(value)
