"""What a template is rendered with, and the kinds of values that it then handles.

Go's types are Python's: string str, int int, float64 float, bool bool, map[string]string any other Mapping, a list of
samples Samples. `nil`, and what a missing key of an untyped map gives, is None.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:  # numpy comes with it, and checking rules needs none
    from ruler.model.result import Result

Value: TypeAlias = Any  # a value of a template: its type is known when it is rendered, not before


@dataclass(frozen=True, slots=True)
class TemplateData:
    """TemplateData is the sample that an alert is about, and what its rule may ask: `query` evaluates at `now` (ms)."""

    labels: Mapping[str, str]
    value: float
    external_labels: Mapping[str, str] = field(default_factory=dict)
    external_url: str = ""
    query: Callable[[str], Result] | None = None
    now: int = 0


@dataclass(frozen=True, slots=True)
class Root:
    """The Root is what `.` and `$` are at the top of a template."""

    Labels: Mapping[str, str]
    ExternalLabels: Mapping[str, str]
    ExternalURL: str
    Value: float


@dataclass(frozen=True, slots=True)
class Sample:
    """A Sample is one element of a query's answer."""

    Labels: Mapping[str, str]
    Value: float


class Samples(list[Sample]):
    """Samples are a query's answer."""


class Arguments(dict[str, Value]):
    """Arguments are what `args` gives: a map of any values."""


def go_type(value: Value) -> str:
    """The name of a value's type in Go, as its messages give it."""
    match value:
        case None:
            return "<nil>"
        case bool():
            return "bool"
        case int():
            return "int"
        case float():
            return "float64"
        case str():
            return "string"
        case Samples():
            return "template.queryResult"
        case Sample():
            return "*template.sample"
        case Arguments():
            return "map[string]interface {}"
        case Mapping():
            return "map[string]string"
        case Root():
            return _ROOT_TYPE
    return f"*time.{type(value).__name__}"


_ROOT_TYPE = (
    "struct { Labels map[string]string; ExternalLabels map[string]string; ExternalURL string; Value interface {} }"
)


def is_true(value: Value) -> bool:
    """Whether a condition takes a value for true: all but false, zero, nil and what is empty."""
    if value is None or isinstance(value, bool | int | float | str | Samples | Mapping):
        return bool(value)
    return True


def fields(value: Value) -> dict[str, Value] | None:
    """The fields of a struct, by name in their order; None for what is no struct."""
    match value:
        case Root():
            return {
                "Labels": value.Labels,
                "ExternalLabels": value.ExternalLabels,
                "ExternalURL": value.ExternalURL,
                "Value": value.Value,
            }
        case Sample():
            return {"Labels": value.Labels, "Value": value.Value}
    return None
