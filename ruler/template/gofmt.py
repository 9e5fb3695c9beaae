"""Go's fmt: what `printf` and `print` write for each verb, flag and type, and for what does not fit.

Text is spent from the budget piece by piece, so that neither a wide field nor a map of maps of maps can grow unseen.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from ruler.model.golang import format_float, quote
from ruler.template.budget import Budget
from ruler.template.data import Sample, Samples, Value, fields, go_type
from ruler.template.gotime import Duration, Time

_WIDEST: Final = 1_000_000
_DIRECTIVE = re.compile(
    r"%(?P<flags>[-+# 0]*)(?:\[(?P<windex>\d+)\](?=\*))?(?P<width>\*|\d*)"
    r"(?P<dot>\.(?:\[(?P<pindex>\d+)\](?=\*))?(?P<precision>\*|\d*))?(?:\[(?P<index>\d+)\])?(?P<verb>.?)",
    re.DOTALL,
)
_BASES: Final = {"d": "d", "b": "b", "o": "o", "O": "o", "x": "x", "X": "X"}
_PREFIXES: Final = {"b": "0b", "o": "0", "x": "0x", "X": "0X"}


@dataclass(frozen=True, slots=True)
class Spec:
    """A Spec is a verb with its flags, width and precision (None where not given)."""

    verb: str
    flags: str = ""
    width: int | None = None
    precision: int | None = None


_PLAIN: Final = Spec("v")


def sprint(values: Sequence[Value], budget: Budget) -> str:
    """The values, with a blank between two of which neither is a string."""
    text = ""
    for index, value in enumerate(values):
        if index and not isinstance(value, str) and not isinstance(values[index - 1], str):
            text += " "
        text += show(value, budget)
    return text


def sprintln(values: Sequence[Value], budget: Budget) -> str:
    """The values with blanks between and a line end behind."""
    return " ".join(show(value, budget) for value in values) + "\n"


def show(value: Value, budget: Budget) -> str:
    """A value as `%v` writes it."""
    if isinstance(value, str):
        budget.text(len(value))
        return value
    return _formatted(value, _PLAIN, budget, top=True)


def sprintf(template: str, values: Sequence[Value], budget: Budget) -> str:
    """`template` with its directives carried out on the values."""
    pieces: list[str] = []
    position, turn, jumped = 0, 0, False
    while (percent := template.find("%", position)) >= 0:
        pieces.append(template[position:percent])
        match = _DIRECTIVE.match(template, percent)
        if match is None:  # not with this pattern: it takes a percent sign and anything
            break
        position = match.end()
        spec, turn, problem = _spec(match, values, turn)
        jumped = jumped or any(match[name] for name in ("windex", "pindex", "index"))
        if spec.verb == "%" and not problem:
            pieces.append("%")
        elif not spec.verb:
            pieces.append("%!(NOVERB)")
            break
        elif problem or turn >= len(values):
            pieces.append(problem or f"%!{spec.verb}(MISSING)")
        else:
            pieces.append(formatted(values[turn], spec, budget))
            turn += 1
    pieces.append(template[position:])
    if turn < len(values) and not jumped:
        extra = ", ".join(f"{go_type(value)}={show(value, budget)}" for value in values[turn:])
        pieces.append(f"%!(EXTRA {extra})")
    text = "".join(pieces)
    budget.text(len(text))
    return text


def _spec(match: re.Match[str], values: Sequence[Value], turn: int) -> tuple[Spec, int, str]:
    """The directive, which value is next after its `*`s and indexes, and what is wrong with it."""
    flags, verb, problem = match["flags"], match["verb"], ""
    if verb == "v":
        flags = flags.replace("+", "")  # %+v names the fields of structs, which templates do not print
    width, turn, wrong = _size(match["width"], match["windex"], values, turn)
    if wrong:
        problem = "%!(BADWIDTH)"
    if width is not None and width < 0:
        flags, width = flags + "-", -width
    precision = None
    if match["dot"]:
        precision, turn, wrong = _size(match["precision"], match["pindex"], values, turn)
        precision = 0 if precision is None else precision
        if wrong or precision < 0:
            problem, precision = "%!(BADPREC)" if wrong else problem, None
    if match["index"]:
        wanted = int(match["index"][:6]) - 1
        if not 0 <= wanted < len(values):
            return Spec(verb), turn, f"%!{verb}(BADINDEX)"
        turn = wanted
    for digits in (match["width"], match["precision"]):
        if digits and digits != "*" and int(digits[:8]) > _WIDEST:
            verb = ""
    return Spec(verb, flags, width, precision), turn, problem


def _size(text: str | None, index: str | None, values: Sequence[Value], turn: int) -> tuple[int | None, int, bool]:
    """A width or precision, which value is next then, and whether it is none."""
    if text != "*":
        return (int(text[:8]) if text else None), turn, False
    if index:
        turn = int(index[:6]) - 1
    size = values[turn] if 0 <= turn < len(values) else None
    wrong = not isinstance(size, int) or isinstance(size, bool) or abs(size) > _WIDEST
    return (None if wrong else size), turn + 1, wrong


def formatted(value: Value, spec: Spec, budget: Budget) -> str:
    """One value under one directive."""
    budget.text((spec.width or 0) + (spec.precision or 0))
    if spec.verb == "T":
        return _padded(go_type(value), spec)
    return _formatted(value, spec, budget, top=True)


def _formatted(value: Value, spec: Spec, budget: Budget, *, top: bool = False) -> str:
    text = _text_of(value, spec, budget, top=top)
    budget.text(len(text))
    return text


def _text_of(value: Value, spec: Spec, budget: Budget, *, top: bool) -> str:
    match value:
        case None:
            return _padded("<nil>", spec) if spec.verb == "v" else f"%!{spec.verb}(<nil>)"
        case bool() if spec.verb in "tv":
            return _padded("true" if value else "false", spec)
        case bool():
            return _bad(value, spec, budget)
        case int():
            return _integer(value, spec, budget)
        case float():
            return _float(value, spec, budget)
        case str():
            return _string(value, spec, budget)
        case Time() | Duration() if spec.verb in "vsxXq":
            return _string(str(value), spec, budget)
        case Time():
            return _bad(value, spec, budget)
        case Duration():
            return _integer(value.ns, spec, budget)
        case Mapping():
            pairs = sorted(value.items())
            inner = (f"{_formatted(k, spec, budget)}:{_formatted(v, spec, budget)}" for k, v in pairs)
            return f"map[{' '.join(inner)}]"
        case Samples():
            return _enclosed("[", value, "]", spec, budget)
    pointer = "&" if top and isinstance(value, Sample) else ""
    return pointer + _enclosed("{", (fields(value) or {}).values(), "}", spec, budget)


def _enclosed(opening: str, values: Iterable[Value], closing: str, spec: Spec, budget: Budget) -> str:
    return opening + " ".join(_formatted(each, spec, budget) for each in values) + closing


def _bad(value: Value, spec: Spec, budget: Budget) -> str:
    return f"%!{spec.verb}({go_type(value)}={_formatted(value, _PLAIN, budget)})"


def _padded(text: str, spec: Spec) -> str:
    if spec.width is None or len(text) >= spec.width:
        return text
    if "-" in spec.flags:
        return text.ljust(spec.width)
    return text.rjust(spec.width, "0" if "0" in spec.flags else " ")


def _number(sign: str, digits: str, spec: Spec, *, zeros: bool = True) -> str:
    """A number padded, zeros between its sign and its digits."""
    if zeros and "0" in spec.flags and "-" not in spec.flags and spec.width is not None:
        return sign + digits.rjust(spec.width - len(sign), "0")
    text = sign + digits
    width = spec.width or 0
    return text.ljust(width) if "-" in spec.flags else text.rjust(width)


def _sign(negative: bool, spec: Spec) -> str:
    if negative:
        return "-"
    return "+" if "+" in spec.flags else " " if " " in spec.flags else ""


def _integer(value: int, spec: Spec, budget: Budget) -> str:
    verb = "d" if spec.verb == "v" else spec.verb
    if verb in ("c", "q", "U"):
        char = chr(value) if 0 <= value <= 0x10FFFF and not 0xD800 <= value < 0xE000 else "\ufffd"
        if verb == "U":
            return _padded(f"U+{value:04X}" + (f" '{char}'" if "#" in spec.flags else ""), spec)
        return _padded(char if verb == "c" else quote(char, "'"), spec)
    if verb not in _BASES:
        return _bad(value, spec, budget)
    digits = format(abs(value), _BASES[verb])
    if spec.precision is not None:
        digits = "" if spec.precision == 0 and value == 0 else digits.rjust(spec.precision, "0")
    prefix = "0o" if verb == "O" else _PREFIXES.get(verb, "") if "#" in spec.flags else ""
    return _number(_sign(value < 0, spec) + prefix, digits, spec, zeros=spec.precision is None)


def _float(value: float, spec: Spec, budget: Budget) -> str:
    verb = {"v": "g", "F": "f"}.get(spec.verb, spec.verb)
    if verb not in ("e", "E", "f", "g", "G", "x", "X"):
        return _bad(value, spec, budget)
    if verb in "xX":
        text = _hexadecimal(abs(value))
    else:
        default = -1 if verb in "gG" else 6
        text = format_float(abs(value), verb.lower(), default if spec.precision is None else spec.precision)
    text = text.removeprefix("+")
    if verb.isupper():
        text = text.upper()
    finite = text[0].isdigit()
    signed = value < 0 or str(value).startswith("-")
    infinite_sign = "+" if text == "Inf" and not signed and spec.verb in "vgeEGf" else ""
    sign = _sign(signed, spec) or infinite_sign
    return _number(sign, text, spec, zeros=finite)


def _hexadecimal(value: float) -> str:
    mantissa, _, exponent = value.hex().partition("p")
    if not exponent:
        return format_float(value)
    return f"{mantissa.rstrip('0').rstrip('.') if '.' in mantissa else mantissa}p{int(exponent):+03d}"


def _string(value: str, spec: Spec, budget: Budget) -> str:
    text = value if spec.precision is None or spec.verb in "xX" else value[: spec.precision]
    match spec.verb:
        case "v" if "#" in spec.flags:
            return _padded(quote(text), spec)
        case "v" | "s":
            return _padded(text, spec)
        case "q":
            return _padded(_quoted(text, spec.flags), spec)
        case "x" | "X":
            raw = value.encode(errors="replace")[: spec.precision]
            separator = " " if " " in spec.flags else ""
            digits = raw.hex(separator) if separator else raw.hex()
            prefix = "0x" if "#" in spec.flags else ""
            return _padded((prefix + digits).upper() if spec.verb == "X" else prefix + digits, spec)
    return _bad(value, spec, budget)


def _quoted(text: str, flags: str) -> str:
    if "#" in flags and "`" not in text and text.replace("\t", "").isprintable():
        return f"`{text}`"
    quoted = quote(text)
    if "+" not in flags:
        return quoted
    return "".join(char if char.isascii() else _ascii(char) for char in quoted)


def _ascii(char: str) -> str:
    return f"\\u{ord(char):04x}" if ord(char) < 0x10000 else f"\\U{ord(char):08x}"
