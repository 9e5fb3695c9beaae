"""The functions that a template may call: what they take, so that arguments are checked, and the tables of them all."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum

from ruler.template.budget import Budget
from ruler.template.data import Root, TemplateData, Value


class Kind(Enum):
    """What a parameter accepts, in the words of Go's messages."""

    ANY = "interface {}"
    STRING = "string"
    SAMPLE = "*template.sample"
    SAMPLES = "template.queryResult"


@dataclass(frozen=True, slots=True)
class Context:
    """A Context is what a function may use beside its arguments."""

    data: TemplateData
    root: Root
    budget: Budget


@dataclass(frozen=True, slots=True)
class FunctionType:
    """A FunctionType is a function with the kinds of its parameters; `rest` is that of any number more."""

    call: Callable[..., Value]
    parameters: tuple[Kind, ...] = ()
    rest: Kind | None = None
    lazy: bool = False  # and, or: their arguments are evaluated one by one, by the rendering itself


ANY, STRING, SAMPLE, SAMPLES = Kind.ANY, Kind.STRING, Kind.SAMPLE, Kind.SAMPLES
