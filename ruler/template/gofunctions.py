"""The functions that text/template brings along: comparisons, logic, indexes, printing and escaping."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final
from urllib.parse import quote_plus

from ruler.template.data import Arguments, Samples, Value, go_type, is_true
from ruler.template.errors import CallError
from ruler.template.functions import ANY, STRING, Context, FunctionType
from ruler.template.gofmt import sprint, sprintf, sprintln
from ruler.template.gotime import Duration

_HTML: Final = str.maketrans({"\0": "\ufffd", '"': "&#34;", "'": "&#39;", "&": "&amp;", "<": "&lt;", ">": "&gt;"})
_JS: Final = {
    "\\": "\\\\",
    "'": "\\'",
    '"': '\\"',
    "<": "\\u003C",
    ">": "\\u003E",
    "&": "\\u0026",
    "=": "\\u003D",
}


def _basic_kind(value: Value) -> str | None:
    """The name under which a value is compared, None for what has no order and no equality."""
    match value:
        case bool():
            return "bool"
        case int() | Duration():
            return "int"
        case float():
            return "float64"
        case str():
            return "string"
    return None


def _incompatible(one: Value, two: Value) -> CallError:
    return CallError(f"incompatible types for comparison: {go_type(one)} and {go_type(two)}")


def _equal_to(_: Context, one: Value, *others: Value) -> bool:
    if not others:
        raise CallError("missing argument for comparison")
    return any(_same(one, other) for other in others)


def _same(one: Value, two: Value) -> bool:
    kind, other = _basic_kind(one), _basic_kind(two)
    if kind != other:
        if one is None or two is None:
            return False
        raise _incompatible(one, two)
    if kind is not None:
        return bool(one == two)
    if one is None or two is None:
        return one is two
    raise CallError(f"non-comparable type {go_type(two)}")


def _below(one: Value, two: Value) -> bool:
    kind, other = _basic_kind(one), _basic_kind(two)
    if kind is None or other is None or kind == other == "bool":
        raise CallError("invalid type for comparison")
    if kind != other:
        raise _incompatible(one, two)
    return bool(_plain(one) < _plain(two))


def _plain(value: Value) -> Value:
    return value.ns if isinstance(value, Duration) else value


def _length(_: Context, value: Value) -> int:
    if isinstance(value, str):
        return len(value.encode(errors="replace"))
    if isinstance(value, Samples | Mapping):
        return len(value)
    raise CallError(f"len of {'nil' if value is None else 'type ' + go_type(value)}")


def _index(_: Context, value: Value, *indexes: Value) -> Value:
    if value is None:
        raise CallError("index of untyped nil")
    for index in indexes:
        if isinstance(value, Mapping):
            if not isinstance(index, str):
                raise CallError(f"value has type {go_type(index)}; should be string")
            value = value.get(index, None if isinstance(value, Arguments) else "")
            continue
        sequence = value.encode(errors="replace") if isinstance(value, str) else value
        if not isinstance(sequence, bytes | Samples):
            raise CallError(f"can't index item of type {go_type(value)}")
        value = sequence[_place(index, len(sequence) - 1)]
    return value


def _slice(_: Context, value: Value, *indexes: Value) -> Value:
    if not isinstance(value, str | Samples):
        raise CallError(f"can't slice item of type {go_type(value)}")
    if len(indexes) > (2 if isinstance(value, str) else 3):
        raise CallError("cannot 3-index slice a string" if isinstance(value, str) else "too many slice indexes")
    sequence = value.encode(errors="replace") if isinstance(value, str) else value
    start, end = 0, len(sequence)
    places = [_place(index, len(sequence)) for index in indexes]
    if places:
        start = places[0]
    if len(places) > 1:
        end = places[1]
    if start > end:
        raise CallError(f"invalid slice index: {start} > {end}")
    part = sequence[start:end]
    return part.decode(errors="replace") if isinstance(part, bytes) else Samples(part)


def _place(index: Value, last: int) -> int:
    if not isinstance(index, int) or isinstance(index, bool):
        raise CallError(f"cannot index slice/array with type {'nil' if index is None else go_type(index)}")
    if not 0 <= index <= last:
        raise CallError(f"index out of range: {index}")
    return index


def _call(_: Context, function: Value, *__: Value) -> Value:
    raise CallError("call of nil" if function is None else f"non-function {function} of type {go_type(function)}")


def _text(context: Context, values: tuple[Value, ...]) -> str:
    if len(values) == 1 and isinstance(values[0], str):
        return values[0]
    return sprint(values, context.budget)


def _js(context: Context, *values: Value) -> str:
    return "".join(_js_escaped(char) for char in _text(context, values))


def _js_escaped(char: str) -> str:
    if char in _JS:
        return _JS[char]
    if char.isprintable():
        return char
    return f"\\u{ord(char):04X}"


GO_FUNCTIONS: Final[Mapping[str, FunctionType]] = {
    "and": FunctionType(is_true, (ANY,), ANY, lazy=True),
    "or": FunctionType(is_true, (ANY,), ANY, lazy=True),
    "not": FunctionType(lambda _, value: not is_true(value), (ANY,)),
    "eq": FunctionType(_equal_to, (ANY,), ANY),
    "ne": FunctionType(lambda _, one, two: not _same(one, two), (ANY, ANY)),
    "lt": FunctionType(lambda _, one, two: _below(one, two), (ANY, ANY)),
    "le": FunctionType(lambda _, one, two: _below(one, two) or _same(one, two), (ANY, ANY)),
    "gt": FunctionType(lambda _, one, two: not (_below(one, two) or _same(one, two)), (ANY, ANY)),
    "ge": FunctionType(lambda _, one, two: not _below(one, two), (ANY, ANY)),
    "len": FunctionType(_length, (ANY,)),
    "index": FunctionType(_index, (ANY,), ANY),
    "slice": FunctionType(_slice, (ANY,), ANY),
    "call": FunctionType(_call, (ANY,), ANY),
    "print": FunctionType(lambda context, *values: sprint(values, context.budget), (), ANY),
    "println": FunctionType(lambda context, *values: sprintln(values, context.budget), (), ANY),
    "printf": FunctionType(lambda context, text, *values: sprintf(text, values, context.budget), (STRING,), ANY),
    "html": FunctionType(lambda context, *values: _text(context, values).translate(_HTML), (), ANY),
    "js": FunctionType(_js, (), ANY),
    "urlquery": FunctionType(lambda context, *values: quote_plus(_text(context, values), errors="replace"), (), ANY),
}
