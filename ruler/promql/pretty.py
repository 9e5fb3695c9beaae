"""A tree → text over several lines, as Prometheus lays it out: what is longer than 100 bytes is split, and no more.

Like all that walks a tree, this does not recurse: a chain of operators may be thousands of nodes deep.
"""

from __future__ import annotations

from typing import Final, TypeAlias

from ruler.promql.ast import Aggregation, Binary, Call, Expr, Node, Paren, Subquery, Unary

LONGEST_LINE: Final = 100
_DEEPEST_INDENT: Final = 128  # further in, the lines of a long chain stand below each other
_MOST_INDENTS: Final = 200_000  # of all lines together, so that the text does not grow with the square of a chain
_SIGN: Final = "\0"  # stands behind a sign: what would indent the text after it is left out

_Piece: TypeAlias = str | tuple[Node, int]  # text, or a node and how far in it stands


def pretty(expr: Expr) -> str:
    """The text of `expr`, which parses to it again."""
    long = _long_nodes(expr)
    deepest = min(_DEEPEST_INDENT, _MOST_INDENTS // (len(long) + 1))
    text: list[str] = []
    pending: list[_Piece] = [(expr, 0)]
    behind_sign = False
    while pending:
        piece = pending.pop()
        if isinstance(piece, tuple):
            node, level = piece
            pending.extend(reversed(_layout(node, min(level, deepest), id(node) in long)))
        elif piece == _SIGN:
            behind_sign = True
        elif not behind_sign:
            text.append(piece)
        elif unindented := piece.lstrip(" "):
            text.append(unindented)
            behind_sign = False
    return "".join(text)


def _layout(node: Node, level: int, long: bool) -> tuple[_Piece, ...]:
    """The lines of a node at some level, as strings with its children between them."""
    margin = "  " * level
    if isinstance(node, Unary):
        return (f"{margin}{node.op}", _SIGN, (node.expr, level))
    if isinstance(node, Subquery):  # with no margin when it is short, as there
        return ((node.expr, level), *map(str, node.pieces()[1:])) if long else (str(node),)
    if long and isinstance(node, Binary):
        return ((node.left, level + 1), f"\n{margin}{str(node.pieces()[1]).strip()}\n", (node.right, level + 1))
    if long and isinstance(node, Aggregation | Call | Paren):
        head, *inner, tail = node.pieces()
        lines: list[_Piece] = []
        for child in inner:
            if isinstance(child, Node):
                lines += (",\n", (child, level + 1))
        return (f"{margin}{head}\n", *lines[1:], f"\n{margin}{tail}")
    return (margin, str(node))


def _long_nodes(expr: Expr) -> set[int]:
    """The ids of the nodes whose text is longer than a line."""
    order: list[tuple[Node, tuple[str | Node, ...]]] = []
    pending: list[Node] = [expr]
    while pending:
        node = pending.pop()
        pieces = node.pieces()
        order.append((node, pieces))
        pending.extend(piece for piece in pieces if isinstance(piece, Node))
    lengths: dict[int, int] = {}
    for node, pieces in reversed(order):  # children before parents
        lengths[id(node)] = sum(
            lengths[id(piece)] if isinstance(piece, Node) else len(piece.encode(errors="surrogatepass"))
            for piece in pieces
        )
    return {identity for identity, length in lengths.items() if length > LONGEST_LINE}
