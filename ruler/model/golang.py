"""How Go writes strings and floats, where Prometheus lets it be seen: printed queries, templates, alert values."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from typing import Any

from common.errors import TocsinError

_NAMED = {"\a": "\\a", "\b": "\\b", "\f": "\\f", "\n": "\\n", "\r": "\\r", "\t": "\\t", "\v": "\\v", "\\": "\\\\"}
_UNNAMED = {escape[1]: char for char, escape in _NAMED.items()}
_REFERENCE = re.compile(r"\$(?:(\$)|(\w+)|\{(\w+)\})")
_GROUP_NUMBER = re.compile(r"0|[1-9][0-9]{0,7}")
_DECIMAL = r"[0-9](?:_?[0-9])*"
_HEXADECIMAL = r"[0-9a-f](?:_?[0-9a-f])*"
_NUMBER = re.compile(
    rf"nan|[+-]?(?:inf(?:inity)?|(?:{_DECIMAL}\.?(?:{_DECIMAL})?|\.{_DECIMAL})(?:e[+-]?{_DECIMAL})?"
    rf"|0x_?(?:{_HEXADECIMAL}\.?(?:{_HEXADECIMAL})?|\.{_HEXADECIMAL})p[+-]?{_DECIMAL})",
    re.IGNORECASE | re.ASCII,
)
_HEX_DIGITS = {"x": 2, "u": 4, "U": 8}
_HEX = "[0-9a-fA-F]"
_SOUND = {
    mark: re.compile(
        rf"(?:[^\\]++|\\(?:[abfnrtv\\{mark}]|x{_HEX}{{2}}|[0-3][0-7]{{2}}|u(?![dD][89a-fA-F]){_HEX}{{4}}"
        rf"|U(?!0000[dD][89a-fA-F])(?:000{_HEX}|0010){_HEX}{{4}}))*+"
    )
    for mark in "\"'"
}
_CODED = re.compile(rf"(?:\\x{_HEX}{{2}}|\\[0-3][0-7]{{2}})+|\\u({_HEX}{{4}})|\\U({_HEX}{{8}})")
_BACKSLASH = "\ud800"  # stands for an escaped one meanwhile: text has no lone surrogates


class EscapeError(TocsinError):
    """A backslash in a quoted string that starts no escape sequence of Go."""


def quote(text: str, mark: str = '"') -> str:
    """`text` as strconv.Quote writes it; with `'` for a mark, as `%q` writes a rune."""
    if text.isascii() and text.isprintable() and mark not in text and "\\" not in text:
        return f"{mark}{text}{mark}"
    return mark + "".join(_escaped(char, mark) for char in text) + mark


def _escaped(char: str, mark: str) -> str:
    if char in _NAMED:
        return _NAMED[char]
    if char == mark:
        return f"\\{mark}"
    if char.isprintable() and char != "\ufffd":  # which no lexer of Go takes bare
        return char
    code = ord(char)
    if code < 0x80:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def unquote(inner: str, mark: str) -> str:
    """What stands between two `mark`s, with its escapes resolved; raises EscapeError.

    Bytes written by `\\x` and octal escapes that are not UTF-8 become U+FFFD: a label value is text.
    """
    if "\\" not in inner:
        return inner
    check_escapes(inner, mark)
    return unescape(inner, mark)


def check_escapes(inner: str, mark: str) -> None:
    """Refuse a backslash that starts no escape; raises EscapeError."""
    sound = _SOUND[mark].match(inner)
    end = sound.end() if sound else 0
    if end < len(inner):
        raise _complaint(inner, end + 1)


def unescape(inner: str, mark: str) -> str:
    """The same of a text whose escapes are known to be sound."""
    text = inner.encode(errors="replace").decode().replace("\\\\", _BACKSLASH).replace(f"\\{mark}", mark)
    for letter, char in _UNNAMED.items():
        text = text.replace(f"\\{letter}", char)
    if "\\" in text:
        text = _CODED.sub(_decoded, text)
    return text.replace(_BACKSLASH, "\\")


def _decoded(match: re.Match[str]) -> str:
    """The characters that an escape by number, or a run of bytes written so, stands for."""
    code_point = match[1] or match[2]
    if code_point:
        return chr(int(code_point, 16))
    codes = (int(code[1:], 16) if code[0] == "x" else int(code, 8) for code in match[0].split("\\")[1:])
    return bytes(codes).decode(errors="replace")


def _complaint(text: str, position: int) -> EscapeError:
    """What is wrong with the escape whose letter stands at `position`."""
    letter = text[position : position + 1]
    if not letter:
        return EscapeError("escape sequence not terminated")
    start, count, allowed = position + 1, _HEX_DIGITS.get(letter, 0), "0123456789abcdefABCDEF"
    if letter in "01234567":
        start, count, allowed = position, 3, "01234567"
    if not count:
        return EscapeError(f"unknown escape sequence {rune_name(letter)}")
    for char in text[start : start + count]:
        if char not in allowed:
            return EscapeError(f"illegal character {rune_name(char)} in escape sequence")
    if start + count > len(text):
        return EscapeError("escape sequence not terminated")
    return EscapeError("escape sequence is an invalid Unicode code point")


def rune_name(char: str) -> str:
    """One character as Go's `%#U` shows it: U+0041 'A'."""
    return f"U+{ord(char):04X}" + (f" '{char}'" if char.isprintable() else "")


def format_float(value: float, verb: str = "f", precision: int = -1) -> str:
    """`value` as strconv.FormatFloat writes it (verb `e`, `f` or `g`); precision -1 is the shortest that is exact."""
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "+Inf" if value > 0 else "-Inf"
    if precision < 0:
        return _shortest(value, verb)
    if verb != "g":
        return format(value, f".{precision}{verb}")
    return format(value, f".{precision or 1}g")


def parse_float(text: str) -> float | None:
    """The number that strconv.ParseFloat reads in `text`; None where it is none, or too large for a float."""
    if not _NUMBER.fullmatch(text):
        return None
    try:
        value = float.fromhex(text.replace("_", "")) if "x" in text or "X" in text else float(text)
    except OverflowError:
        return None
    return None if math.isinf(value) and "n" not in text.lower() else value


def _shortest(value: float, verb: str) -> str:
    minus = "-" if math.copysign(1.0, value) < 0 else ""
    mantissa, _, exponent = repr(abs(float(value))).partition("e")
    whole, _, fraction = mantissa.partition(".")
    digits = (whole + fraction).lstrip("0")
    leading_zeros = len(whole) + len(fraction) - len(digits)
    power = int(exponent or 0) + len(whole) - 1 - leading_zeros if digits else 0  # of the first digit
    text = digits.rstrip("0") or "0"
    if verb == "e" or (verb == "g" and not -4 <= power < 6):
        fraction = f".{text[1:]}" if len(text) > 1 else ""
        return f"{minus}{text[0]}{fraction}e{power:+03d}"
    if power < 0:
        return f"{minus}0.{'0' * (-power - 1)}{text}"
    whole = text[: power + 1].ljust(power + 1, "0")
    fraction = text[power + 1 :]
    return f"{minus}{whole}.{fraction}" if fraction else minus + whole


def expand(template: str, match: Any) -> str:
    """`template` with `$1`, `$name` and `${name}` replaced by groups of `match` and `$$` by `$`, as Regexp.Expand does.

    A group that is not there, or took no part, is empty.
    """

    def group(reference: re.Match[str]) -> str:
        dollar, bare, braced = reference.groups()
        if dollar:
            return "$"
        name = bare or braced
        try:
            return match.group(int(name) if _GROUP_NUMBER.fullmatch(name) else name) or ""
        except (IndexError, KeyError):
            return ""

    return _REFERENCE.sub(group, template) if "$" in template else template


def expansion(template: str, names: Mapping[str, int], count: int) -> Callable[[Any], bytes]:
    """`expand` for many matches in bytes, of one expression that has `count` groups, some of them with names."""
    pieces: list[bytes | int] = []
    done = 0
    for reference in _REFERENCE.finditer(template):
        pieces.append(template[done : reference.start()].encode())
        done = reference.end()
        dollar, bare, braced = reference.groups()
        name = bare or braced or ""
        number = int(name) if _GROUP_NUMBER.fullmatch(name) else names.get(name, count + 1)
        if dollar or number <= count:
            pieces.append(b"$" if dollar else number)
    pieces = [piece for piece in (*pieces, template[done:].encode()) if piece != b""]

    def expanded(match: Any) -> bytes:
        groups = (match.group(), *match.groups())
        return b"".join([piece if isinstance(piece, bytes) else groups[piece] or b"" for piece in pieces])

    return expanded
