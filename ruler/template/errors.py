"""What is wrong with a template, in the words of Go's text/template."""

from __future__ import annotations

from common.errors import ParseError, TocsinError


class TemplateError(ParseError):
    """A template that does not parse, or that fails when it is rendered; `position` is in the template's own text."""

    def __init__(self, message: str, *, text: str = "", position: int = 0) -> None:
        super().__init__(message, text=text, position=position)

    def __str__(self) -> str:
        return self.problem


class CallError(TocsinError):
    """A function of a template that cannot do what it is asked; the rendering says where it was called."""
