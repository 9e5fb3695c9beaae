"""Pushed JSON → plain values → typed, frozen documents, with the place and the offending value in every refusal.

A key given twice has its last value, as in every JavaScript and PHP decoder. PHP writes an empty object as `[]`:
`as_object` reads it back.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, TypeVar

import msgspec
import orjson

from common.errors import written_path
from receiver.refusals import Refusal, missing_fields, shown

T = TypeVar("T")

_STEP = re.compile(r"\.(\w+)|\[(\d+)\]")
_WORD = re.compile(r"`([^`]*)`")
_UNKNOWN = "Object contains unknown field "
_WORDS = {
    "float": "a number",
    "int": "a whole number",
    "str": "text",
    "bool": "true or false",
    "object": "an object",
    "array": "a list",
    "null": "null",
}


def read_object(body: bytes, required: Sequence[str]) -> dict[str, Any]:
    """The JSON object that `body` is, with every `required` field; raises Refusal."""
    try:
        document = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise Refusal(f"body: not valid JSON: {error}") from None
    if not isinstance(document, dict):
        raise Refusal(f"body: expected an object: {shown(document)}")
    missing = [name for name in required if document.get(name) is None]
    if missing:
        raise missing_fields(missing)
    return document


def as_object(value: Any) -> Any:
    """`value`, or an empty object for PHP's spelling of one."""
    return {} if isinstance(value, list) and not value else value


def convert(document: dict[str, Any], type_: type[T]) -> T:
    """`document` as a `type_`; raises Refusal. The type has no dict fields: their keys would be lost in the path."""
    try:
        return msgspec.convert(document, type_)
    except msgspec.ValidationError as error:
        problem, _, place = str(error).partition(" - at `")
        steps = [name or int(index) for name, index in _STEP.findall(place)]
        if problem.startswith(_UNKNOWN):
            unknown = problem.removeprefix(_UNKNOWN).strip("`")
            raise Refusal("unknown field", path=written_path([*steps, unknown])) from None
        if ", got " in problem:
            problem = problem.partition(", got ")[0]
        problem = _WORD.sub(_in_words, problem[:1].lower() + problem[1:]).replace(".0", "")
        raise Refusal(f"{problem}: {shown(_at(document, steps))}", path=written_path(steps)) from None


def _in_words(match: re.Match[str]) -> str:
    return " or ".join(_WORDS.get(name, name) for name in match[1].split(" | "))


def _at(value: Any, steps: Sequence[str | int]) -> Any:
    for step in steps:
        value = value[step]
    return value
