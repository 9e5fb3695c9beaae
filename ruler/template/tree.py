"""The syntax tree of a template. All nodes are frozen; `str` of one is its canonical text, which errors quote."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias


@dataclass(frozen=True, slots=True)
class Text:
    """A Text is what stands between actions."""

    position: int
    text: str


@dataclass(frozen=True, slots=True)
class Dot:
    """`.`"""

    position: int

    def __str__(self) -> str:
        return "."


@dataclass(frozen=True, slots=True)
class Nil:
    """`nil`"""

    position: int

    def __str__(self) -> str:
        return "nil"


@dataclass(frozen=True, slots=True)
class Bool:
    """`true` or `false`"""

    position: int
    value: bool

    def __str__(self) -> str:
        return "true" if self.value else "false"


@dataclass(frozen=True, slots=True)
class Number:
    """A Number is an integer or a float literal; an integer beyond int64 has no value and fails when it is used."""

    position: int
    text: str
    value: float | int | None

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True, slots=True)
class String:
    """A String is a quoted literal and what it says."""

    position: int
    quoted: str
    value: str

    def __str__(self) -> str:
        return self.quoted


@dataclass(frozen=True, slots=True)
class Field:
    """`.a.b`: fields of the dot."""

    position: int
    names: tuple[str, ...]

    def __str__(self) -> str:
        return "".join(f".{name}" for name in self.names)


@dataclass(frozen=True, slots=True)
class Variable:
    """`$x.a.b`: a variable and fields of it; the name has its `$`."""

    position: int
    name: str
    fields: tuple[str, ...] = ()

    def __str__(self) -> str:
        return self.name + "".join(f".{name}" for name in self.fields)


@dataclass(frozen=True, slots=True)
class Function:
    """A Function is the name of one."""

    position: int
    name: str

    def __str__(self) -> str:
        return self.name


@dataclass(frozen=True, slots=True)
class Chain:
    """`(…).a.b`: fields of a parenthesized pipeline or of what a function gives."""

    position: int
    of: Pipeline | Function
    fields: tuple[str, ...]

    def __str__(self) -> str:
        inner = f"({self.of})" if isinstance(self.of, Pipeline) else str(self.of)
        return inner + "".join(f".{name}" for name in self.fields)


@dataclass(frozen=True, slots=True)
class Command:
    """A Command is an operand, or a function or field with its arguments."""

    position: int
    args: tuple[Operand, ...]

    def __str__(self) -> str:
        return " ".join(f"({arg})" if isinstance(arg, Pipeline) else str(arg) for arg in self.args)


@dataclass(frozen=True, slots=True)
class Pipeline:
    """A Pipeline is commands, each getting what the one before gave, and the variables that take the last one's."""

    position: int
    variables: tuple[str, ...]
    assigns: bool  # `=`, not `:=`
    commands: tuple[Command, ...]

    def __str__(self) -> str:
        variables = f"{', '.join(self.variables)} {'=' if self.assigns else ':='} " if self.variables else ""
        return variables + " | ".join(map(str, self.commands))


Operand: TypeAlias = Dot | Nil | Bool | Number | String | Field | Variable | Function | Chain | Pipeline


@dataclass(frozen=True, slots=True)
class Action:
    """`{{pipeline}}`"""

    position: int
    pipeline: Pipeline


@dataclass(frozen=True, slots=True)
class Branch:
    """`{{if}}`, `{{with}}` or `{{range}}` with its body and what stands after `{{else}}`."""

    position: int
    keyword: str
    pipeline: Pipeline
    body: tuple[Node, ...]
    otherwise: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Leave:
    """`{{break}}` or `{{continue}}`"""

    position: int
    keyword: str


@dataclass(frozen=True, slots=True)
class Invoke:
    """`{{template "name" pipeline}}`"""

    position: int
    quoted: str
    name: str
    pipeline: Pipeline | None

    def __str__(self) -> str:
        return f"{{{{template {self.quoted}{'' if self.pipeline is None else f' {self.pipeline}'}}}}}"


Node: TypeAlias = Text | Action | Branch | Leave | Invoke
Body: TypeAlias = tuple[Node, ...]
