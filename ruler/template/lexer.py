"""Template text → texts and the tokens of actions. `{{- ` and ` -}}` take the white space beside them with them."""

from __future__ import annotations

import re
from typing import Final, NamedTuple

from ruler.model.golang import quote, rune_name
from ruler.template.errors import TemplateError

TEXT: Final = "text"
LEFT: Final = "left delim"
RIGHT: Final = "right delim"
SPACE: Final = "space"
NUMBER: Final = "number"
STRING: Final = "string"
RAW_STRING: Final = "raw string"
CHARACTER: Final = "character constant"
BOOL: Final = "bool"
IDENTIFIER: Final = "identifier"
FIELD: Final = "field"
VARIABLE: Final = "variable"
CHAR: Final = "char"
END_OF_TEXT: Final = "EOF"

KEYWORDS: Final = frozenset(
    {"block", "break", "continue", "define", "else", "end", "if", "nil", "range", "template", "with", "."}
)

_BLANKS = " \t\r\n"
_SPACES = re.compile(r"[ \t\r\n]+")
_WORD = re.compile(r"[^\W]+")
_STRING = re.compile(r'"(?:[^"\\\n]|\\[^\n])*+"')
_CHARACTER = re.compile(r"'(?:[^'\\\n]|\\[^\n])*+'")
_NUMBER = re.compile(
    r"[+-]?(?:0[xX][0-9a-fA-F_]*(?:\.[0-9a-fA-F_]*)?(?:[pP][+-]?[0-9_]*)?|0[oO][0-7_]*|0[bB][01_]*"
    r"|[0-9_]*(?:\.[0-9_]*)?(?:[eE][+-]?[0-9_]*)?)"
)
_TERMINATORS = frozenset(" \t\r\n.,|:)(")


class Token(NamedTuple):
    """A Token is a piece of a template with its kind (keywords: the word itself) and where it starts."""

    kind: str
    text: str
    position: int

    def __str__(self) -> str:
        if self.kind == END_OF_TEXT:
            return "EOF"
        if self.kind in KEYWORDS:
            return f"<{self.text}>"
        return f"{quote(self.text[:10])}..." if len(self.text) > 10 else quote(self.text)


class Lexer:
    """A Lexer walks over one template."""

    def __init__(self, name: str, text: str) -> None:
        self.name, self.text = name, text
        self._position = 0
        self._open = 0  # parentheses
        self._in_action = False
        self._trim_next = False

    def error(self, problem: str, position: int) -> TemplateError:
        line = self.text.count("\n", 0, position) + 1
        return TemplateError(f"template: {self.name}:{line}: {problem}", text=self.text, position=position)

    def next(self) -> Token:
        """The next token; raises TemplateError."""
        return self._inside() if self._in_action else self._outside()

    def _outside(self) -> Token:
        """A text, or the delimiter that opens an action; comments are passed over."""
        while (opening := self.text.find("{{", self._position)) >= 0:
            inside = opening + 2
            text = self._text_to(opening)
            if self.text.startswith("-", inside) and self.text[inside + 1 : inside + 2] in (*_BLANKS,):
                text, inside = text.rstrip(_BLANKS), inside + 2
            if text:
                return self._text(text, opening)
            if not self.text.startswith("/*", inside):
                self._position, self._in_action, self._open = inside, True, 0
                return Token(LEFT, "{{", opening)
            self._pass_comment(inside)
        end = len(self.text)
        text = self._text_to(end)
        return self._text(text, end) if text else Token(END_OF_TEXT, "", end)

    def _text_to(self, end: int) -> str:
        text = self.text[self._position : end]
        return text.lstrip(_BLANKS) if self._trim_next else text

    def _text(self, text: str, end: int) -> Token:
        token = Token(TEXT, text, self._position)
        self._position, self._trim_next = end, False
        return token

    def _pass_comment(self, start: int) -> None:
        end = self.text.find("*/", start + 2)
        if end < 0:
            raise self.error("unclosed comment", start)
        if not self._close(end + 2):
            raise self.error("comment ends before closing delimiter", start)

    def _close(self, position: int) -> bool:
        """Leave the action if a closing delimiter is at `position`."""
        trims = self.text[position : position + 1] in (*_BLANKS,) and self.text.startswith("-}}", position + 1)
        if not trims and not self.text.startswith("}}", position):
            return False
        self._position, self._in_action, self._trim_next = position + (4 if trims else 2), False, trims
        return True

    def _inside(self) -> Token:
        start, text = self._position, self.text
        if self._close(start):
            if self._open:
                raise self.error("unclosed left paren", start)
            return Token(RIGHT, "}}", start)
        if start >= len(text):
            raise self.error("unclosed action", start)
        char, after = text[start], text[start + 1 : start + 2]
        if char in _BLANKS:
            return self._space(start)
        if char == "=" or text.startswith(":=", start):
            return self._token("=" if char == "=" else ":=", start, start + (1 if char == "=" else 2))
        if char == ":":
            raise self.error("expected :=", start)
        if char == "|":
            return self._token("|", start, start + 1)
        if char in "\"'`":
            return self._quoted(char, start)
        if char == "$" or (char == "." and not ("0" <= after <= "9")):
            return self._name(start)
        if "0" <= char <= "9" or char in "+-.":
            return self._number(start)
        if char.isalpha() or char == "_":
            return self._word(start)
        if char in "()":
            self._open += 1 if char == "(" else -1
            if self._open < 0:
                raise self.error("unexpected right paren", start)
            return self._token(char, start, start + 1)
        if " " < char <= "~":
            return self._token(CHAR, start, start + 1)
        raise self.error(f"unrecognized character in action: {rune_name(char)}", start)

    def _token(self, kind: str, start: int, end: int) -> Token:
        self._position = end
        return Token(kind, self.text[start:end], start)

    def _space(self, start: int) -> Token:
        match = _SPACES.match(self.text, start)
        end = match.end() if match else start
        if self.text.startswith("-}}", end):
            end -= 1  # the last blank belongs to the delimiter
        return self._token(SPACE, start, end) if end > start else self._inside()

    def _quoted(self, mark: str, start: int) -> Token:
        if mark == "`":
            end = self.text.find("`", start + 1)
            if end < 0:
                raise self.error("unterminated raw quoted string", start)
            return self._token(RAW_STRING, start, end + 1)
        match = (_STRING if mark == '"' else _CHARACTER).match(self.text, start)
        if match is None:
            what = "quoted string" if mark == '"' else "character constant"
            raise self.error(f"unterminated {what}", start)
        return self._token(STRING if mark == '"' else CHARACTER, start, match.end())

    def _name(self, start: int) -> Token:
        """A field `.x`, a variable `$x`, or the dot or `$` alone."""
        match = _WORD.match(self.text, start + 1)
        end = match.end() if match else start + 1
        self._check_terminated(end)
        if self.text[start] == "$":
            return self._token(VARIABLE, start, end)
        return self._token(FIELD if match else ".", start, end)

    def _word(self, start: int) -> Token:
        match = _WORD.match(self.text, start)
        end = match.end() if match else start + 1
        self._check_terminated(end)
        word = self.text[start:end]
        if word in KEYWORDS:
            return self._token(word, start, end)
        return self._token(BOOL if word in ("true", "false") else IDENTIFIER, start, end)

    def _check_terminated(self, end: int) -> None:
        char = self.text[end : end + 1]
        if char and char not in _TERMINATORS and not self.text.startswith("}}", end):
            raise self.error(f"bad character {rune_name(char)}", end)

    def _number(self, start: int) -> Token:
        match = _NUMBER.match(self.text, start)
        end = match.end() if match else start + 1
        after = self.text[end : end + 1]
        signs = "+-" if end > start + 1 or self.text[start] not in "+-" else ""
        if after and (after.isalnum() or after == "_" or after in signs):
            raise self.error(f"bad number syntax: {quote(self.text[start : end + 1])}", start)
        return self._token(NUMBER, start, end)
