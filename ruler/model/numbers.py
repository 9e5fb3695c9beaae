"""Numbers as text, whole arrays at a time: bytes → float64 or int64, and float64 → the shortest bytes that are exact.

The number parser and the number writer are C's; a text that is not plain is looked at by itself.
"""

from __future__ import annotations

import re
from array import array
from collections.abc import Sequence
from struct import Struct
from typing import Final

import msgspec
import numpy as np
import orjson

from common.textformat import parse_value
from ruler.model.arrays import NAN, FloatArray, IntArray

_MINUS_ZERO: Final = re.compile(rb"-0[], \t]")
_INTEGER: Final = re.compile(rb"[+-]?[0-9]{1,19}")
_numbers = msgspec.json.Decoder(list[float])
_numbers_and_nulls = msgspec.json.Decoder(list[float | None])
_integers = msgspec.json.Decoder(list[int])


def parse_values(texts: Sequence[bytes]) -> FloatArray:
    """The numbers that `texts` are; raises ValueError when one of them is none."""
    values = joined_values(b",".join(texts), Struct(f"{len(texts)}d"))
    if values is None:
        values = np.array([parse_value(text.strip(b" \t")) for text in texts], dtype=np.float64)
        values[np.isnan(values)] = NAN
    return values


def joined_values(joined: bytes, layout: Struct) -> FloatArray | None:
    """The numbers that stand in `joined`, separated by commas, as many as `layout` has doubles.

    None when they are not all plain: then each is to be looked at. JSON's numbers are a subset of Prometheus's with the
    same meaning: no underscores, no hexadecimal, no overflow to infinity. The exceptions are -0 (an integer there) and
    carriage returns (white space there). NaN goes by as null.
    """
    framed = b"[" + joined + b"]"
    if b"\r" in joined or (b"-" in joined and b"-0" in joined and _MINUS_ZERO.search(framed)):
        return None
    try:
        if b"N" in joined:
            if b"n" in joined:
                return None
            values = np.array(_numbers_and_nulls.decode(framed.replace(b"NaN", b"null")), dtype=np.float64)
            values[np.isnan(values)] = NAN
            return values if len(values) * 8 == layout.size else None
        numbers = _numbers.decode(framed)
    except msgspec.DecodeError:
        return None
    return np.frombuffer(layout.pack(*numbers)) if len(numbers) * 8 == layout.size else None


def parse_integers(texts: Sequence[bytes]) -> IntArray:
    """The integers (of 64 bits) that `texts` are; raises ValueError when one of them is none."""
    try:
        numbers = _integers.decode(b"[" + b",".join(texts) + b"]")
        if len(numbers) != len(texts):  # a comma in a text
            raise ValueError
        return np.frombuffer(array("q", numbers), dtype=np.int64)
    except (msgspec.DecodeError, ValueError, OverflowError):
        return np.array([_integer(text) for text in texts], dtype=np.int64)


def _integer(text: bytes) -> int:
    number = int(text) if _INTEGER.fullmatch(text) else 1 << 63
    if not -(1 << 63) <= number < 1 << 63:
        msg = f"not an integer of 64 bits: {text[:40].decode(errors='backslashreplace')!r}"
        raise ValueError(msg)
    return number


def joined_texts(values: FloatArray | IntArray) -> bytes:
    """The numbers with commas between: whole ones without a point, what is not finite as `null`."""
    text = orjson.dumps(np.ascontiguousarray(values), option=orjson.OPT_SERIALIZE_NUMPY)
    return (text[1:-1] + b",").replace(b".0,", b",")[:-1]


def number_texts(values: FloatArray | IntArray) -> list[bytes]:
    """Each number as `joined_texts` writes it."""
    return joined_texts(values).split(b",") if len(values) else []
