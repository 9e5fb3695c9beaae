"""The modes of selectors and operators that are written in words: edges, extensions, and how sides pair."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum
from typing import Final

from common.labels import is_label_name
from ruler.model.golang import format_float, quote


class AtEdge(Enum):
    """`@ start()` and `@ end()`."""

    START = "start()"
    END = "end()"

    __hash__ = object.__hash__  # an enumeration's own runs as Python, for each query


class Extension(Enum):
    """What a selector does with samples beyond its window's edges."""

    NONE = ""
    ANCHORED = "anchored"
    SMOOTHED = "smoothed"


class Cardinality(Enum):
    """How the sides of a binary operation between vectors pair."""

    ONE_TO_ONE = "one-to-one"
    MANY_TO_ONE = "many-to-one"  # group_left
    ONE_TO_MANY = "one-to-many"  # group_right
    MANY_TO_MANY = "many-to-many"  # and, or, unless


@dataclass(slots=True, unsafe_hash=True)
class Matching:
    """Matching says which labels pair the sides: those of `labels` alone (`on`) or all but those."""

    cardinality: Final[Cardinality] = Cardinality.ONE_TO_ONE
    on: Final[bool] = False
    labels: Final[tuple[str, ...]] = ()
    include: Final[tuple[str, ...]] = ()  # labels that group_left/group_right copies from the one side
    fill_left: Final[float | None] = None
    fill_right: Final[float | None] = None

    def paired(self, cardinality: Cardinality) -> Matching:
        """The same with another cardinality."""
        return Matching(cardinality, self.on, self.labels, self.include, self.fill_left, self.fill_right)

    def __str__(self) -> str:
        text = ""
        grouped = self.cardinality in (Cardinality.MANY_TO_ONE, Cardinality.ONE_TO_MANY)
        if self.labels or self.on or grouped:
            text = f" {'on' if self.on else 'ignoring'} ({names_in(self.labels)})"
        if grouped:
            side = "left" if self.cardinality is Cardinality.MANY_TO_ONE else "right"
            text += f" group_{side} ({names_in(self.include)})"
        left, right = (None if fill is None else format_float(fill, "g") for fill in (self.fill_left, self.fill_right))
        if left is not None and left == right:
            return f"{text} fill ({left})"
        return text + (f" fill_left ({left})" if left else "") + (f" fill_right ({right})" if right else "")


def names_in(labels: Iterable[str]) -> str:
    """Labels as they stand in `(…)`."""
    return ", ".join(map(_label, labels))


def _label(name: str) -> str:
    """A label in `(…)`, where a bare `inf` or `nan` would be a number."""
    return name if is_label_name(name) and name.lower() not in ("inf", "nan") else quote(name)
