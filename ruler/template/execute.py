"""Tree → text: the walk over a template with its data, functions and budget, and where it was when something failed.

Follows the order in which text/template evaluates and what it names as the place of an error. Recursion is bounded by
the parser's nesting and, for templates that invoke each other, by DEEPEST_INVOCATION.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from ruler.model.golang import quote
from ruler.template.budget import Budget
from ruler.template.data import Arguments, Root, Sample, Samples, TemplateData, Value, fields, go_type, is_true
from ruler.template.errors import CallError, TemplateError
from ruler.template.functions import Context, FunctionType, Kind
from ruler.template.gofmt import show
from ruler.template.gofunctions import GO_FUNCTIONS
from ruler.template.gotime import METHODS, Duration, Time
from ruler.template.parser import Parsed
from ruler.template.promfunctions import PROMETHEUS_FUNCTIONS
from ruler.template.tree import (
    Action,
    Body,
    Bool,
    Branch,
    Chain,
    Command,
    Dot,
    Field,
    Function,
    Invoke,
    Leave,
    Nil,
    Number,
    Operand,
    Pipeline,
    String,
    Text,
    Variable,
)

DEEPEST_INVOCATION: Final = 10
FUNCTIONS: Final[Mapping[str, FunctionType]] = {**GO_FUNCTIONS, **PROMETHEUS_FUNCTIONS}

_MISSING: Final = object()  # there is no value from the pipeline


@dataclass(frozen=True, slots=True)
class _Given:
    """_Given are the arguments of one command: operands yet to be evaluated at `dot`, and what the pipeline brings."""

    operands: tuple[Operand, ...]
    dot: Value
    final: Value = _MISSING

    def __len__(self) -> int:
        return len(self.operands) + (self.final is not _MISSING)

    def refuse(self, what: Operand) -> None:
        if self:
            raise CallError(f"can't give argument to non-function {what}")


class _Left(Exception):  # noqa: N818  (no error: the way out of a range)
    """`{{break}}` or `{{continue}}` on its way to its range."""

    def __init__(self, keyword: str) -> None:
        self.keyword = keyword


class Execution:
    """An Execution renders one template once."""

    def __init__(self, name: str, text: str, parsed: Parsed, data: TemplateData) -> None:
        self._name, self._text, self._parsed = name, text, parsed
        root = Root(data.labels, data.external_labels, data.external_url, data.value)
        self._context = Context(data, root, Budget())
        self._written: list[str] = []
        self._at: Operand | Command | Invoke | None = None
        self._invocations = 0
        self._variables: list[tuple[str, Value]] = [
            ("$", root),
            ("$labels", root.Labels),
            ("$externalLabels", root.ExternalLabels),
            ("$externalURL", root.ExternalURL),
            ("$value", root.Value),
        ]

    def render(self) -> str:
        try:
            self._walk(self._parsed.body, self._context.root)
        except CallError as error:
            raise self._failed(str(error)) from error
        return "".join(self._written)

    def _failed(self, problem: str) -> TemplateError:
        position = 0 if self._at is None else self._at.position
        line = self._text.count("\n", 0, position) + 1
        column = position - (self._text.rfind("\n", 0, position) + 1)
        where = "" if self._at is None else f" at <{self._at}>"
        place = f'template: {self._name}:{line}:{column}: executing "{self._name}"{where}'
        message = f"error executing template {self._name}: {place}: {problem}"
        return TemplateError(message, text=self._text, position=position)

    def _write(self, text: str) -> None:
        self._context.budget.text(len(text))
        self._written.append(text)

    def _walk(self, body: Body, dot: Value) -> None:
        for node in body:
            self._context.budget.step()
            match node:
                case Text():
                    self._write(node.text)
                case Action():
                    value = self._pipeline(node.pipeline, dot)
                    if not node.pipeline.variables:
                        self._print(value)
                case Branch():
                    self._branch(node, dot)
                case Leave():
                    raise _Left(node.keyword)
                case Invoke():
                    self._invoke(node, dot)

    def _print(self, value: Value) -> None:
        shown = "<no value>" if value is None else show(value, self._context.budget)
        self._write(shown.removeprefix("&") if isinstance(value, Sample) else shown)

    def _branch(self, node: Branch, dot: Value) -> None:
        kept = len(self._variables)
        if node.keyword == "range":
            self._range(node, dot)
        else:
            value = self._pipeline(node.pipeline, dot)
            if is_true(value):
                self._walk(node.body, value if node.keyword == "with" else dot)
            else:
                self._walk(node.otherwise, dot)
        del self._variables[kept:]

    def _range(self, node: Branch, dot: Value) -> None:
        value = self._pipeline(node.pipeline, dot)
        kept, empty = len(self._variables), True
        for index, element in self._elements(value):
            empty = False
            self._context.budget.step()
            self._set_range_variables(node.pipeline, index, element, counts=isinstance(value, int))
            try:
                self._walk(node.body, element)
            except _Left as left:
                if left.keyword == "break":
                    break
            finally:
                del self._variables[kept:]
        if empty:
            self._walk(node.otherwise, dot)

    def _elements(self, value: Value) -> Iterable[tuple[Value, Value]]:
        match value:
            case None:
                return ()
            case Samples():
                return enumerate(value)
            case Mapping():
                return sorted(value.items())
            case int() if not isinstance(value, bool):
                return ((index, index) for index in range(value))
        raise CallError(f"range can't iterate over {show(value, self._context.budget)}")

    def _set_range_variables(self, pipeline: Pipeline, index: Value, element: Value, *, counts: bool) -> None:
        """Give the variables of `range $i, $e := …` their values: they are the newest ones."""
        names = pipeline.variables
        if counts and len(names) > 1:
            raise CallError(f"can't use {index} to iterate over more than one variable")
        values = (element,) if len(names) == 1 else (index, element)
        for name, value in zip(names, values, strict=False):
            if pipeline.assigns:
                self._assign(name, value)
            else:
                self._variables.append((name, value))

    def _invoke(self, node: Invoke, dot: Value) -> None:
        self._at = node
        body = self._parsed.defined.get(node.name)
        if body is None:
            raise CallError(f"template {quote(node.name)} not defined")
        self._invocations += 1
        if self._invocations > DEEPEST_INVOCATION:
            raise CallError(f"exceeded maximum template depth ({DEEPEST_INVOCATION})")
        dot = None if node.pipeline is None else self._pipeline(node.pipeline, dot)
        variables, self._variables = self._variables, [("$", dot)]
        self._walk(body, dot)
        self._variables = variables
        self._invocations -= 1

    def _assign(self, name: str, value: Value) -> None:
        for place in range(len(self._variables) - 1, -1, -1):
            if self._variables[place][0] == name:
                self._variables[place] = (name, value)
                return
        raise CallError(f"undefined variable: {name}")

    def _variable(self, name: str) -> Value:
        for known, value in reversed(self._variables):
            if known == name:
                return value
        raise CallError(f"undefined variable: {name}")

    def _pipeline(self, pipeline: Pipeline, dot: Value) -> Value:
        value: Value = _MISSING
        for command in pipeline.commands:
            value = self._command(command, dot, value)
        for name in pipeline.variables:
            if pipeline.assigns:
                self._assign(name, value)
            else:
                self._variables.append((name, value))
        return value

    def _command(self, command: Command, dot: Value, final: Value) -> Value:
        self._context.budget.step()
        first = command.args[0]
        given = _Given(command.args[1:], dot, final)
        match first:
            case Function():
                self._at = first
                return self._call(first, command, given)
            case Field() | Variable() | Chain():
                return self._fields_of(first, given)
        if not isinstance(first, Pipeline):
            self._at = first
        given.refuse(first)
        if isinstance(first, Nil):
            raise CallError("nil is not a command")
        return self._operand(first, dot)

    def _operand(self, node: Operand, dot: Value) -> Value:
        """The value of what is given no arguments."""
        match node:
            case Dot():
                return dot
            case Nil():
                return None
            case Bool() | String():
                return node.value
            case Number():
                self._at = node
                if node.value is None:
                    raise CallError(f"{node.text} overflows int")
                return node.value
            case Function():
                self._at = node
                return self._call(node, node, _Given((), dot))
            case Field() | Variable() | Chain():
                return self._fields_of(node, _Given((), dot))
        return self._pipeline(node, dot)

    def _fields_of(self, node: Field | Variable | Chain, given: _Given) -> Value:
        self._at = node
        match node:
            case Field():
                return self._chain(given.dot, node.names, given)
            case Chain():
                return self._chain(self._operand(node.of, given.dot), node.fields, given)
        if not node.fields:
            given.refuse(node)
        return self._chain(self._variable(node.name), node.fields, given)

    def _chain(self, value: Value, names: tuple[str, ...], given: _Given) -> Value:
        for name in names[:-1]:
            value = self._field(value, name, _Given((), given.dot))
        return self._field(value, names[-1], given) if names else value

    def _field(self, value: Value, name: str, given: _Given) -> Value:
        if value is None:
            return None
        if isinstance(value, Time | Duration) and name in METHODS[type(value)]:
            return self._method(value, name, given)
        if isinstance(value, Mapping):
            if given:
                raise CallError(f"{name} is not a method but has arguments")
            return value.get(name, None if isinstance(value, Arguments) else "")
        of_struct = fields(value)
        if of_struct is None or name not in of_struct:
            raise CallError(f"can't evaluate field {name} in type {go_type(value)}")
        if given:
            raise CallError(f"{name} has arguments but cannot be invoked as function")
        return of_struct[name]

    def _method(self, value: Time | Duration, name: str, given: _Given) -> Value:
        kinds = (Kind.STRING,) if name == "Format" else ()
        method = FunctionType(lambda _, *values: METHODS[type(value)][name](value, *values), kinds)
        return method.call(self._context, *self._arguments(name, method, given))

    def _call(self, function: Function, node: Command | Function, given: _Given) -> Value:
        name, kind = function.name, FUNCTIONS[function.name]
        if kind.lazy:
            return self._first_that_decides(name, kind, given)
        values = self._arguments(name, kind, given)
        try:
            value = kind.call(self._context, *values)
            if isinstance(value, str):
                self._context.budget.text(len(value))
        except CallError as error:
            self._at = node
            raise CallError(f"error calling {name}: {error}") from error
        return value

    def _first_that_decides(self, name: str, kind: FunctionType, given: _Given) -> Value:
        """What `and` and `or` give: they look at no argument behind the one that settles the matter."""
        self._count(name, kind, given)
        value: Value = None
        for operand in given.operands:
            value = self._argument(operand, Kind.ANY, given.dot)
            if is_true(value) == (name == "or"):
                return value
        return value if given.final is _MISSING else given.final

    def _count(self, name: str, kind: FunctionType, given: _Given) -> None:
        """Raise CallError unless a function is given as many arguments as it takes."""
        fixed, got = len(kind.parameters), len(given)
        if got < fixed if kind.rest is not None else got != fixed:
            wanted = f"at least {fixed}" if kind.rest is not None else f"{fixed}"
            raise CallError(f"wrong number of args for {name}: want {wanted} got {got}")

    def _arguments(self, name: str, kind: FunctionType, given: _Given) -> list[Value]:
        self._count(name, kind, given)
        kinds = [*kind.parameters, *[kind.rest or Kind.ANY] * (len(given) - len(kind.parameters))]
        pairs = zip(given.operands, kinds, strict=False)
        values = [self._argument(operand, wanted, given.dot) for operand, wanted in pairs]
        if given.final is not _MISSING:
            values.append(_checked(given.final, kinds[len(values)]))
        return values

    def _argument(self, node: Operand, kind: Kind, dot: Value) -> Value:
        self._context.budget.step()
        self._at = node
        match node:
            case Nil():
                if kind is Kind.STRING:
                    raise CallError("cannot assign nil to string")
                return None
            case Bool() | Number() | String() if kind is not Kind.ANY:
                if kind is Kind.STRING and isinstance(node, String):
                    return node.value
                if kind is Kind.STRING:
                    raise CallError(f"expected string; found {node}")
                raise CallError(f"can't handle {node} for arg of type {kind.value}")
        return _checked(self._operand(node, dot), kind)


_TYPES: Final = {Kind.STRING: str, Kind.SAMPLE: Sample, Kind.SAMPLES: Samples}


def _checked(value: Value, kind: Kind) -> Value:
    """`value`, if a parameter of this kind takes it."""
    if kind is Kind.ANY or isinstance(value, _TYPES[kind]):
        return value
    if value is None:
        if kind is Kind.STRING:
            raise CallError("invalid value; expected string")
        return None
    raise CallError(f"wrong type for value; expected {kind.value}; got {go_type(value)}")
