"""Messages of io.prometheus.client, written by hand: what a target that speaks protobuf would send."""

from __future__ import annotations

from struct import pack

COUNTER, GAUGE, SUMMARY, UNTYPED, HISTOGRAM, GAUGE_HISTOGRAM = range(6)


def varint(number: int) -> bytes:
    number &= (1 << 64) - 1
    written = bytearray()
    while number > 0x7F:
        written.append(number & 0x7F | 0x80)
        number >>= 7
    written.append(number)
    return bytes(written)


def whole(field: int, number: int) -> bytes:
    return varint(field << 3) + varint(number)


def real(field: int, number: float) -> bytes:
    return varint(field << 3 | 1) + pack("<d", number)


def part(field: int, *parts: bytes | str) -> bytes:
    content = b"".join(each.encode() if isinstance(each, str) else each for each in parts)
    return varint(field << 3 | 2) + varint(len(content)) + content


def label(name: str, value: str) -> bytes:
    return part(1, part(1, name), part(2, value))


def exemplar(field: int, value: float, time: tuple[int, int] | None, *labels: bytes) -> bytes:
    when = () if time is None else (part(3, whole(1, time[0]), whole(2, time[1])),)
    return part(field, *labels, real(2, value), *when)


def family(name: str, type_: int, *metrics: bytes, help_: str = "", unit: str = "") -> bytes:
    """One family of a page, its length before it."""
    described = (part(2, help_) if help_ else b"") + (part(5, unit) if unit else b"")
    message = part(1, name) + described + whole(3, type_) + b"".join(part(4, metric) for metric in metrics)
    return varint(len(message)) + message
