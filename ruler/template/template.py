"""The Template: parsed once, rendered for each alert. Most are texts with a label or the value put in: those are joined
from ready-made pieces, and the tree is walked only for the rest."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from ruler.model.golang import format_float
from ruler.template.data import TemplateData
from ruler.template.execute import FUNCTIONS, Execution
from ruler.template.parser import Parsed, parse
from ruler.template.tree import Action, Node, Text, Variable

VARIABLES: Final = ("$", "$labels", "$externalLabels", "$externalURL", "$value")

_Piece = Callable[[TemplateData], str]


class Template:
    """A Template is a text of a rule with actions in it; making one parses it and raises TemplateError."""

    __slots__ = ("_parsed", "_pieces", "name", "text")

    def __init__(self, name: str, text: str) -> None:
        self.name, self.text = name, text
        self._parsed = _TEXT_ALONE if "{{" not in text else parse(name, text, FUNCTIONS, VARIABLES)
        self._pieces = (_constant(text),) if "{{" not in text else _simple(self._parsed)

    def render(self, data: TemplateData) -> str:
        """The text for this alert; raises TemplateError."""
        if self._pieces is not None:
            return "".join([piece(data) for piece in self._pieces])
        return Execution(self.name, self.text, self._parsed, data).render()


_TEXT_ALONE: Final = Parsed((), {})


def _simple(parsed: Parsed) -> tuple[_Piece, ...] | None:
    """The pieces of a template that only puts in labels and the value; None for any other."""
    pieces = [_piece(node) for node in parsed.body]
    ready = tuple(piece for piece in pieces if piece is not None)
    return ready if len(ready) == len(pieces) else None


def _piece(node: Node) -> _Piece | None:
    match node:
        case Text():
            return _constant(node.text)
        case Action() if len(node.pipeline.commands) == 1 and not node.pipeline.variables:
            match node.pipeline.commands[0].args:
                case (Variable(name="$value", fields=()),):
                    return lambda data: format_float(data.value, "g")
                case (Variable(name="$labels", fields=(label,)),):
                    return lambda data: data.labels.get(label, "")
    return None


def _constant(text: str) -> _Piece:
    return lambda _: text
