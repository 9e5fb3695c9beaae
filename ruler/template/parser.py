"""Template text → tree, with text/template's own complaints. Functions and variables must be known to be named."""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Final

from ruler.model.golang import EscapeError, quote, unquote
from ruler.template.errors import TemplateError
from ruler.template.lexer import (
    BOOL,
    CHAR,
    CHARACTER,
    END_OF_TEXT,
    FIELD,
    IDENTIFIER,
    LEFT,
    NUMBER,
    RAW_STRING,
    RIGHT,
    SPACE,
    STRING,
    TEXT,
    VARIABLE,
    Lexer,
    Token,
)
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
    Node,
    Number,
    Operand,
    Pipeline,
    String,
    Text,
    Variable,
)

LONGEST_TEXT: Final = 1 << 18
DEEPEST_NESTING: Final = 50

_OPERANDS: Final = frozenset(
    {BOOL, CHARACTER, ".", FIELD, IDENTIFIER, NUMBER, "nil", RAW_STRING, STRING, VARIABLE, "("}
)
_UNDERSCORES = re.compile(r"_(?![0-9a-fA-F])|(?<![0-9a-fA-FxXoObB])_")


@dataclass(frozen=True, slots=True)
class Parsed:
    """A Parsed template is its own body and those of the templates that it defines, by name."""

    body: Body
    defined: Mapping[str, Body]


@dataclass(frozen=True, slots=True)
class _Stop:
    """A _Stop is the `{{else}}` or `{{end}}` that ends a list; an else may go on with `if` or `with`."""

    keyword: str

    def __str__(self) -> str:
        return f"{{{{{self.keyword}}}}}"


def parse(name: str, text: str, functions: Collection[str], variables: Collection[str]) -> Parsed:
    """The template that `text` writes; `variables` are there from the beginning. Raises TemplateError."""
    if len(text) > LONGEST_TEXT:
        raise TemplateError(f"template: {name}:1: longer than {LONGEST_TEXT} characters")
    return _Parser(Lexer(name, text), functions, variables).whole()


class _Parser:
    """A parser of one template: the tokens that it has looked ahead at, and the variables that may be named."""

    def __init__(self, lexer: Lexer, functions: Collection[str], variables: Collection[str]) -> None:
        self._lexer = lexer
        self._functions = functions
        self._variables = [*variables]
        self._ahead: list[Token] = []
        self._last = Token(TEXT, "", 0)
        self._ranges = 0
        self._depth = 0
        self._defined: dict[str, Body] = {}

    def whole(self) -> Parsed:
        nodes: list[Node] = []
        while self._peek().kind != END_OF_TEXT:
            if self._peek().kind == LEFT:
                left = self._next()
                if self._next_word().kind == "define":
                    self._definition()
                    continue
                self._ahead[:0] = [left, self._last]
            node = self._text_or_action()
            if isinstance(node, _Stop):
                raise self._error(f"unexpected {node}")
            nodes.append(node)
        return Parsed(tuple(nodes), self._defined)

    def _next(self) -> Token:
        self._last = self._ahead.pop(0) if self._ahead else self._lexer.next()
        return self._last

    def _peek(self) -> Token:
        if not self._ahead:
            self._ahead.append(self._lexer.next())
        return self._ahead[0]

    def _next_word(self) -> Token:
        """The next token that is not a blank."""
        while self._next().kind == SPACE:
            pass
        return self._last

    def _peek_word(self) -> Token:
        while self._peek().kind == SPACE:
            self._next()
        return self._peek()

    def _error(self, problem: str, token: Token | None = None) -> TemplateError:
        return self._lexer.error(problem, (token or self._last).position)

    def _unexpected(self, token: Token, context: str) -> TemplateError:
        return self._error(f"unexpected {token} in {context}", token)

    def _expect(self, kind: str, context: str) -> Token:
        token = self._next_word()
        if token.kind != kind:
            raise self._unexpected(token, context)
        return token

    def _enter(self) -> None:
        self._depth += 1
        if self._depth > DEEPEST_NESTING:
            raise self._error(f"nested deeper than {DEEPEST_NESTING} levels")

    def _text_or_action(self) -> Node | _Stop:
        token = self._next_word()
        if token.kind == TEXT:
            return Text(token.position, token.text)
        if token.kind == LEFT:
            return self._action()
        raise self._unexpected(token, "input")

    def _action(self) -> Node | _Stop:
        token = self._next_word()
        match token.kind:
            case "if" | "with" | "range":
                return self._branch(token)
            case "else":
                if self._peek_word().kind not in ("if", "with"):
                    self._expect(RIGHT, "else")
                return _Stop("else")
            case "end":
                self._expect(RIGHT, "end")
                return _Stop("end")
            case "break" | "continue":
                self._expect(RIGHT, f"{{{{{token.kind}}}}}")
                if not self._ranges:
                    raise self._error(f"{{{{{token.kind}}}}} outside {{{{range}}}}", token)
                return Leave(token.position, token.kind)
            case "template":
                return self._invocation()
            case "block":
                return self._block()
        self._ahead.insert(0, token)
        return Action(token.position, self._pipeline("command", RIGHT))

    def _list(self) -> tuple[Body, _Stop]:
        """What stands before the next `{{else}}` or `{{end}}` of this level."""
        nodes: list[Node] = []
        while self._peek_word().kind != END_OF_TEXT:
            node = self._text_or_action()
            if isinstance(node, _Stop):
                return tuple(nodes), node
            nodes.append(node)
        raise self._error("unexpected EOF", self._peek())

    def _branch(self, keyword: Token) -> Branch:
        self._enter()
        kept = len(self._variables)
        pipeline = self._pipeline(keyword.kind, RIGHT)
        self._ranges += keyword.kind == "range"
        body, stop = self._list()
        self._ranges -= keyword.kind == "range"
        otherwise: Body = ()
        if stop.keyword == "else":
            following = self._peek().kind
            if following in ("if", "with"):
                if following != keyword.kind:
                    raise self._unexpected(self._next(), "else")
                otherwise = (self._branch(self._next()),)  # one {{end}} ends both
            else:
                otherwise, stop = self._list()
                if stop.keyword != "end":
                    raise self._error(f"expected end; found {stop}")
        del self._variables[kept:]
        self._depth -= 1
        return Branch(keyword.position, keyword.kind, pipeline, body, otherwise)

    def _name(self, context: str) -> tuple[Token, str]:
        token = self._next_word()
        if token.kind not in (STRING, RAW_STRING):
            raise self._unexpected(token, context)
        return token, self._string(token).value

    def _invocation(self) -> Invoke:
        token, name = self._name("template clause")
        pipeline = None
        if self._peek_word().kind == RIGHT:
            self._next()
        else:
            pipeline = self._pipeline("template clause", RIGHT)
        return Invoke(token.position, quote(name), name, pipeline)

    def _block(self) -> Invoke:
        token, name = self._name("block clause")
        pipeline = self._pipeline("block clause", RIGHT)
        self._define(name, "block clause")
        return Invoke(token.position, quote(name), name, pipeline)

    def _definition(self) -> None:
        _, name = self._name("define clause")
        self._expect(RIGHT, "define clause")
        self._define(name, "define clause")

    def _define(self, name: str, context: str) -> None:
        """Read the body of a template of its own, in which only `$` is known."""
        self._enter()
        variables, self._variables = self._variables, ["$"]
        ranges, self._ranges = self._ranges, 0
        body, stop = self._list()
        if stop.keyword != "end":
            raise self._error(f"unexpected {stop} in {context}")
        self._variables, self._ranges = variables, ranges
        self._depth -= 1
        if name in self._defined:
            raise self._error(f"template: multiple definition of template {quote(name)}")
        self._defined[name] = body

    def _pipeline(self, context: str, end: str) -> Pipeline:
        self._enter()
        start = self._peek_word()
        variables, assigns = self._declarations(context)
        commands: list[Command] = []
        while (token := self._next_word()).kind != end:
            if token.kind not in _OPERANDS:
                raise self._unexpected(token, context)
            self._ahead.insert(0, token)
            commands.append(self._command())
        if not commands:
            raise self._error(f"missing value for {context}")
        for stage, command in enumerate(commands[1:], 2):
            if isinstance(command.args[0], Bool | Dot | Nil | Number | String):
                raise self._error(f"non executable command in pipeline stage {stage}")
        self._depth -= 1
        return Pipeline(start.position, variables, assigns, tuple(commands))

    def _declarations(self, context: str) -> tuple[tuple[str, ...], bool]:
        """The variables before `:=` or `=`, and whether it was `=`."""
        names: list[str] = []
        while self._peek_word().kind == VARIABLE:
            variable = self._next()
            blanks = [self._next()] if self._peek().kind == SPACE else []
            following = self._peek_word()
            if following.kind in (":=", "="):
                self._next()
                names.append(variable.text)
                self._variables.append(variable.text)
                return tuple(names), following.kind == "="
            if following.kind != CHAR or following.text != ",":
                self._ahead[:0] = [variable, *blanks]
                break
            self._next()
            names.append(variable.text)
            self._variables.append(variable.text)
            if context != "range" or len(names) > 1:
                raise self._error(f"too many declarations in {context}")
            if self._peek_word().kind not in (VARIABLE, RIGHT, ")"):
                raise self._error("range can only initialize variables")
        return tuple(names), False

    def _command(self) -> Command:
        start = self._peek_word()
        args: list[Operand] = []
        while True:
            self._peek_word()
            operand = self._operand()
            if operand is not None:
                args.append(operand)
            token = self._next()
            if token.kind == SPACE:
                continue
            if token.kind in (RIGHT, ")"):
                self._ahead.insert(0, token)
            elif token.kind != "|":
                raise self._unexpected(token, "operand")
            break
        return Command(start.position, tuple(args))

    def _operand(self) -> Operand | None:
        """A term with the fields behind it."""
        term = self._term()
        if term is None or self._peek().kind != FIELD:
            return term
        position, names = self._peek().position, []
        while self._peek().kind == FIELD:
            names.append(self._next().text[1:])
        match term:
            case Field():
                return Field(position, (*term.names, *names))
            case Variable():
                return Variable(position, term.name, tuple(names))
            case Pipeline() | Function():
                return Chain(position, term, tuple(names))
        raise self._error(f"unexpected . after term {quote(str(term))}")

    def _term(self) -> Operand | None:
        token = self._peek()
        if token.kind not in _OPERANDS:
            return None
        self._next()
        match token.kind:
            case "identifier":
                if token.text not in self._functions:
                    raise self._error(f"function {quote(token.text)} not defined", token)
                return Function(token.position, token.text)
            case ".":
                return Dot(token.position)
            case "nil":
                return Nil(token.position)
            case "variable":
                if token.text not in self._variables:
                    raise self._error(f"undefined variable {quote(token.text)}", token)
                return Variable(token.position, token.text)
            case "field":
                return Field(token.position, (token.text[1:],))
            case "bool":
                return Bool(token.position, token.text == "true")
            case "(":
                return self._pipeline("parenthesized pipeline", ")")
            case "string" | "raw string":
                return self._string(token)
        return self._number(token)

    def _string(self, token: Token) -> String:
        inner = token.text[1:-1]
        if token.kind == RAW_STRING:
            return String(token.position, token.text, inner.replace("\r", ""))
        try:
            return String(token.position, token.text, unquote(inner, '"'))
        except EscapeError:
            raise self._error("invalid syntax", token) from None

    def _number(self, token: Token) -> Number:
        if token.kind == CHARACTER:
            try:
                char = unquote(token.text[1:-1], "'")
            except EscapeError:
                char = ""
            if len(char) != 1:
                raise self._error(f"malformed character constant: {token.text}", token)
            return Number(token.position, token.text, ord(char))
        try:
            return Number(token.position, token.text, number_of(token.text))
        except (ValueError, OverflowError):
            raise self._error(f"illegal number syntax: {quote(token.text)}", token) from None


def number_of(text: str) -> float | int | None:
    """The value of a literal, None for an integer that int64 does not hold; raises ValueError."""
    if _UNDERSCORES.search(text):
        raise ValueError
    digits = text.lower().replace("_", "")
    unsigned = digits.lstrip("+-")
    if unsigned.startswith("0x") and ("p" in unsigned or "." in unsigned):
        return float.fromhex(digits)
    if not unsigned.startswith("0x") and ("." in unsigned or "e" in unsigned):
        value = float(digits)
        if math.isinf(value):
            raise ValueError
        return value
    old_octal = len(unsigned) > 1 and unsigned.isdigit() and unsigned[0] == "0"
    integer = int(digits, 8 if old_octal else 0)
    return integer if -(1 << 63) <= integer < 1 << 63 else None
