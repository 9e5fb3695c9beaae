"""The functions that Prometheus adds: queries, numbers and times for people, and text. Words of errors are its own."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from ipaddress import ip_address
from typing import Final
from urllib.parse import quote_plus, urlsplit

from common.durations import parse_duration
from common.errors import ParseError, TocsinError
from ruler.model.golang import expand, format_float, quote
from ruler.model.matcher import compile_regex
from ruler.template.data import Arguments, Sample, Samples, Value, go_type
from ruler.template.errors import CallError
from ruler.template.functions import ANY, SAMPLE, SAMPLES, STRING, Context, FunctionType
from ruler.template.gotime import Duration, Time

_FLOAT = re.compile(r"[+-]?(?:(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?|inf|infinity|nan)", re.ASCII | re.IGNORECASE)
_LARGER, _SMALLER, _BINARY = "kMGTPEZY", "munpfazy", ("ki", "Mi", "Gi", "Ti", "Pi", "Ei", "Zi", "Yi")
_DEEPEST: Final = 20


def to_float(value: Value) -> float:
    """A number of any type, or one written as text; raises CallError."""
    match value:
        case bool():
            pass
        case int() | float():
            return float(value)
        case str():
            return _parsed(value)
        case Duration():
            return value.ns / 1e9
    raise CallError(f"can't convert {go_type(value)} to float")


def _parsed(text: str) -> float:
    where = f"strconv.ParseFloat: parsing {quote(text)}"
    if not _FLOAT.fullmatch(text):
        raise CallError(f"{where}: invalid syntax")
    value = float(text)
    if math.isinf(value) and "n" not in text.lower():
        raise CallError(f"{where}: value out of range")
    return value


def _short(value: float) -> str:
    return format_float(value, "g", 4)


def _scaled(value: float) -> tuple[float, str]:
    """A value between 1 and 1000 where there is a prefix for it, and the prefix."""
    prefix = ""
    if abs(value) >= 1:
        for each in _LARGER:
            if abs(value) < 1000:
                break
            prefix, value = each, value / 1000
        return value, prefix
    for each in _SMALLER:
        if abs(value) >= 1:
            break
        prefix, value = each, value * 1000
    return value, prefix


def humanize(value: float) -> str:
    if value == 0 or not math.isfinite(value):
        return _short(value)
    scaled, prefix = _scaled(value)
    return _short(scaled) + prefix


def humanize_1024(value: float) -> str:
    if abs(value) <= 1 or not math.isfinite(value):
        return _short(value)
    prefix = ""
    for each in _BINARY:
        if abs(value) < 1024:
            break
        prefix, value = each, value / 1024
    return _short(value) + prefix


def humanize_duration(value: float) -> str:
    if not math.isfinite(value):
        return _short(value)
    if value == 0:
        return "0s"
    if abs(value) < 1:
        scaled, prefix = _scaled(value)
        return f"{_short(scaled)}{prefix}s"
    sign, value = "-" if value < 0 else "", abs(value)
    minutes, seconds = divmod(int(value), 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    if days:
        return f"{sign}{days}d {hours}h {minutes}m {seconds}s"
    if hours:
        return f"{sign}{hours}h {minutes}m {seconds}s"
    if minutes:
        return f"{sign}{minutes}m {seconds}s"
    return f"{sign}{_short(value)}s"


def humanize_timestamp(value: float) -> str:
    return str(_to_time(value)) if math.isfinite(value) else _short(value)


def _to_time(value: float) -> Time:
    if not math.isfinite(value):
        raise CallError("value is NaN or Inf")
    if not -(1 << 63) <= value * 1e9 <= 1 << 63:
        shown = format_float(value, "g")
        raise CallError(f"{shown} cannot be represented as a nanoseconds timestamp since it overflows int64")
    return Time(int(int(value * 1e9) / 1_000_000))


def _to_duration(value: float) -> Duration:
    if not math.isfinite(value):
        raise CallError("value is NaN or Inf")
    if not -(1 << 63) <= value * 1e9 <= 1 << 63:
        shown = format_float(value, "g")
        raise CallError(f"{shown} cannot be represented as a nanoseconds duration since it overflows int64")
    return Duration(int(value * 1e9))


def _query(context: Context, text: str) -> Samples:
    """What the query gives at the time of the evaluation, as samples."""
    from ruler.model.result import Scalar, Vector  # noqa: PLC0415  (numpy: checking rules needs none)

    if context.data.query is None:
        raise CallError("no query engine available")
    context.budget.query()
    try:
        value = context.data.query(text).value
    except TocsinError as error:
        raise CallError(str(error)) from error
    match value:
        case Scalar():
            return Samples([Sample({}, value.value)])
        case Vector():
            context.budget.text(16 * len(value.table))
            pairs = zip(value.table.all_labels(), value.values.tolist(), strict=True)
            return Samples(Sample(labels, number) for labels, number in pairs)
    raise CallError("rule result is not a vector or scalar")


def _first(_: Context, samples: Samples | None) -> Sample:
    if not samples:
        raise CallError("first() called on vector with no elements")
    return samples[0]


def _args(_: Context, *values: Value) -> Arguments:
    arguments = Arguments({f"arg{index}": value for index, value in enumerate(values)})
    if _depth(arguments) > _DEEPEST:
        raise CallError(f"maps nested deeper than {_DEEPEST} levels")
    return arguments


def _depth(value: Value) -> int:
    """How deep maps nest in a value; values that `args` made before are at most _DEEPEST deep."""
    level, depth = [value], 0
    while level := [inner for each in level if isinstance(each, Arguments) for inner in each.values()][:1000]:
        depth += 1
    return depth


def _present(sample: Sample | None) -> Sample:
    if sample is None:
        raise CallError("runtime error: invalid memory address or nil pointer dereference")
    return sample


def _match(_: Context, pattern: str, text: str) -> bool:
    return _regex(pattern).search(text) is not None


def _regex(pattern: str) -> Value:
    try:
        return compile_regex(pattern, anchored=False)
    except ParseError as error:
        raise CallError(error.problem) from None


def _replace_all(context: Context, pattern: str, replacement: str, text: str) -> str:
    """Every match replaced, as Go does: an empty match right behind another one is none."""
    pieces: list[str] = []
    end = 0
    for match in _regex(pattern).finditer(text):
        if match.start() == match.end() == end and pieces:
            continue
        pieces.append(text[end : match.start()])
        replaced = expand(replacement, match)
        context.budget.text(len(replaced))
        pieces.append(replaced)
        end = match.end()
    return "".join((*pieces, text[end:]))


def _split_port(address: str) -> tuple[str, str] | None:
    """Host and port, None where Go's SplitHostPort finds none."""
    host, colon, port = address.rpartition(":")
    if not colon:
        return None
    if host.startswith("["):
        inner = host[1:-1]
        return (inner, port) if host.endswith("]") and "[" not in inner and "]" not in inner else None
    if any(sign in host for sign in ":[]") or any(sign in port for sign in "[]"):
        return None
    return host, port


def _strip_port(_: Context, address: str) -> str:
    split = _split_port(address)
    return address if split is None else split[0]


def _strip_domain(_: Context, address: str) -> str:
    host, port = _split_port(address) or (address, "")
    if _is_ip(host):
        return address
    short = host.partition(".")[0]
    if not port:
        return short
    return f"[{short}]:{port}" if ":" in short else f"{short}:{port}"


def _is_ip(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return "%" not in host


_WORD = re.compile(r"[^\W_](?:[\w]|['’.·:](?=[^\W\d_])|[.,'](?=\d))*|_[\w]*")
_LETTER = re.compile(r"[^\W\d_]")


def _title(_: Context, text: str) -> str:
    """Each word with its first letter in title case; the other letters as they are."""
    return _WORD.sub(lambda word: _LETTER.sub(lambda letter: letter[0].title(), word[0], count=1), text)


def _parse_duration(_: Context, text: str) -> float:
    try:
        return parse_duration(text) / 1000
    except ParseError:
        raise CallError(f"not a valid duration string: {quote(text)}") from None


def _link(tab: int, query: str) -> str:
    return f"/graph?g0.expr={quote_plus(query, errors='replace')}&g0.tab={tab}"


def _label(_: Context, name: str, sample: Sample | None) -> str:
    return _present(sample).Labels.get(name, "")


def _sorted(_: Context, label: str, samples: Samples | None) -> Samples:
    return Samples(sorted(samples or (), key=lambda sample: sample.Labels.get(label, "")))


PROMETHEUS_FUNCTIONS: Final[Mapping[str, FunctionType]] = {
    "query": FunctionType(_query, (STRING,)),
    "first": FunctionType(_first, (SAMPLES,)),
    "label": FunctionType(_label, (STRING, SAMPLE)),
    "value": FunctionType(lambda _, sample: _present(sample).Value, (SAMPLE,)),
    "strvalue": FunctionType(lambda _, sample: _present(sample).Labels.get("__value__", ""), (SAMPLE,)),
    "sortByLabel": FunctionType(_sorted, (STRING, SAMPLES)),
    "args": FunctionType(_args, (), ANY),
    "humanize": FunctionType(lambda _, value: humanize(to_float(value)), (ANY,)),
    "humanize1024": FunctionType(lambda _, value: humanize_1024(to_float(value)), (ANY,)),
    "humanizeDuration": FunctionType(lambda _, value: humanize_duration(to_float(value)), (ANY,)),
    "humanizePercentage": FunctionType(lambda _, value: _short(to_float(value) * 100) + "%", (ANY,)),
    "humanizeTimestamp": FunctionType(lambda _, value: humanize_timestamp(to_float(value)), (ANY,)),
    "toTime": FunctionType(lambda _, value: _to_time(to_float(value)), (ANY,)),
    "toDuration": FunctionType(lambda _, value: _to_duration(to_float(value)), (ANY,)),
    "now": FunctionType(lambda context: context.data.now / 1000),
    "parseDuration": FunctionType(_parse_duration, (STRING,)),
    "title": FunctionType(_title, (STRING,)),
    "toUpper": FunctionType(lambda _, text: text.upper(), (STRING,)),
    "toLower": FunctionType(lambda _, text: text.lower(), (STRING,)),
    "stripPort": FunctionType(_strip_port, (STRING,)),
    "stripDomain": FunctionType(_strip_domain, (STRING,)),
    "match": FunctionType(_match, (STRING, STRING)),
    "reReplaceAll": FunctionType(_replace_all, (STRING, STRING, STRING)),
    "graphLink": FunctionType(lambda _, text: _link(0, text), (STRING,)),
    "tableLink": FunctionType(lambda _, text: _link(1, text), (STRING,)),
    "urlQueryEscape": FunctionType(lambda _, text: quote_plus(text, errors="replace"), (STRING,)),
    "safeHtml": FunctionType(lambda _, text: text, (STRING,)),
    "externalURL": FunctionType(lambda context: context.data.external_url),
    "pathPrefix": FunctionType(lambda context: urlsplit(context.data.external_url).path),
}
