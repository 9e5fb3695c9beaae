"""Labels: the identity of a series, a target or an alert. Below everything; knows no numbers and no time."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from functools import cached_property

METRIC_NAME = "__name__"

_LEGACY_METRIC_NAME = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*\Z")
_LEGACY_LABEL_NAME = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*\Z")

_FNV_OFFSET, _FNV_PRIME, _U64 = 0xCBF29CE484222325, 0x100000001B3, (1 << 64) - 1


def is_metric_name(name: str) -> bool:
    """Whether `name` may be written bare, as Prometheus's classic data model allows."""
    return _LEGACY_METRIC_NAME.match(name) is not None


def is_label_name(name: str) -> bool:
    """Whether `name` may be written bare as a label name."""
    return _LEGACY_LABEL_NAME.match(name) is not None


def quote(value: str) -> str:
    r"""`value` in double quotes, with `\`, `"` and line ends escaped as the exposition format does."""
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'


class Labels(Mapping[str, str]):
    """Labels are a sorted, immutable set of name-value pairs without empty values.

    An absent label and a label with an empty value are the same (Prometheus's data model), so `labels["x"]` of an
    absent label raises but `labels.get("x", "")` is the field's reading of it.
    """

    def __init__(self, pairs: Mapping[str, str] | Iterable[tuple[str, str]] = ()) -> None:
        self._items: dict[str, str] = {name: value for name, value in sorted(dict(pairs).items()) if value}

    def __getitem__(self, name: str) -> str:
        return self._items[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._items)

    def __len__(self) -> int:
        return len(self._items)

    def __hash__(self) -> int:
        return self._hash

    @cached_property
    def _hash(self) -> int:
        return hash(tuple(self._items.items()))

    def __eq__(self, other: object) -> bool:
        if isinstance(other, Labels):
            return self._items == other._items
        return isinstance(other, Mapping) and self._items == dict(other)

    def __lt__(self, other: Labels) -> bool:
        return tuple(self._items.items()) < tuple(other._items.items())

    def __repr__(self) -> str:
        return f"Labels({self._items!r})"

    def __str__(self) -> str:
        """As a query shows them: `name{a="1", b="2"}`."""
        name = self.get(METRIC_NAME, "")
        inner = ", ".join(
            f"{key if is_label_name(key) else quote(key)}={quote(value)}"
            for key, value in self._items.items()
            if key != METRIC_NAME
        )
        if name and not is_metric_name(name):
            return "{" + quote(name) + (f", {inner}" if inner else "") + "}"
        return f"{name}{{{inner}}}" if inner or not name else name

    def replacing(self, changes: Mapping[str, str]) -> Labels:
        """These labels with `changes` written over them; an empty value removes a label."""
        return Labels({**self._items, **changes})

    def without(self, names: Iterable[str]) -> Labels:
        """These labels less those named."""
        gone = frozenset(names)
        return Labels({name: value for name, value in self._items.items() if name not in gone})

    def keeping(self, names: Iterable[str]) -> Labels:
        """Only those of these labels that are named."""
        kept = frozenset(names)
        return Labels({name: value for name, value in self._items.items() if name in kept})

    @cached_property
    def fingerprint(self) -> int:
        """Alertmanager's fingerprint: FNV-1a of each name and value, each ended by 0xff (prometheus/common model)."""
        state = _FNV_OFFSET
        for name, value in self._items.items():
            for byte in (*name.encode(), 0xFF, *value.encode(), 0xFF):
                state = ((state ^ byte) * _FNV_PRIME) & _U64
        return state
