"""A tree → the JSON by which Prometheus's parse_query shows it, keys sorted as there.

Arithmetic on durations is shown as 0, as there: what it comes to depends on the query that runs. This does not recurse.
"""

from __future__ import annotations

import orjson

from ruler.model.golang import format_float
from ruler.model.matcher import Matcher
from ruler.promql.ast import (
    Aggregation,
    At,
    AtEdge,
    Binary,
    Call,
    Expr,
    Extension,
    Extent,
    Matching,
    MatrixSelector,
    Node,
    Number,
    Paren,
    Subquery,
    Text,
    Unary,
    VectorSelector,
)
from ruler.promql.signatures import SIGNATURES

_Pieces = tuple[bytes | Expr, ...]


def described(expr: Expr) -> bytes:
    """The JSON of a tree."""
    written: list[bytes] = []
    pending: list[bytes | Expr] = [expr]
    while pending:
        piece = pending.pop()
        if isinstance(piece, Node):
            pending.extend(reversed(_pieces(piece)))
        else:
            written.append(piece)
    return b"".join(written)


def _pieces(node: Expr) -> _Pieces:
    match node:
        case Number():
            return (_json({"type": "numberLiteral", "val": format_float(node.value)}),)
        case Text():
            return (_json({"type": "stringLiteral", "val": node.value}),)
        case VectorSelector():
            return (_json({**_selected(node), "type": "vectorSelector"}),)
        case MatrixSelector():
            return (_json({**_selected(node.selector), "range": _ms(node.range), "type": "matrixSelector"}),)
        case Subquery():
            end = {
                "offset": _ms(node.offset),
                "range": _ms(node.range),
                "step": _ms(node.step or 0),
                "type": "subquery",
                **_at(node.at),
            }
            return (b'{"expr":', node.expr, b",", _json(end)[1:])
        case Call():
            return (b'{"args":[', *_between(node.args), b'],"func":', _function(node.function), b',"type":"call"}')
        case Aggregation():
            end = {"type": "aggregation", "without": node.without}
            middle = b',"grouping":' + _json(node.grouping) + b',"op":' + _json(node.op) + b',"param":'
            return (b'{"expr":', node.expr, middle, node.param or b"null", b",", _json(end)[1:])
        case Binary():
            matching = b',"matching":' + _json(_matched(node.matching)) + b',"op":' + _json(node.op) + b',"rhs":'
            start = b'{"bool":' + _json(node.bool_result) + b',"lhs":'
            return (start, node.left, matching, node.right, b',"type":"binaryExpr"}')
        case Unary():
            return (b'{"expr":', node.expr, b',"op":' + _json(node.op) + b',"type":"unaryExpr"}')
        case Paren():
            return (b'{"expr":', node.expr, b',"type":"parenExpr"}')


def _json(value: object) -> bytes:
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS)


def _ms(extent: Extent) -> int:
    return extent if isinstance(extent, int) else 0


def _at(at: At | None) -> dict[str, object]:
    edge = at.name.lower() if isinstance(at, AtEdge) else None
    return {"startOrEnd": edge, "timestamp": at if isinstance(at, int) else None}


def _selected(selector: VectorSelector) -> dict[str, object]:
    return {
        "anchored": selector.extension is Extension.ANCHORED,
        "matchers": list(map(_matcher, selector.matchers)),
        "name": selector.name,
        "offset": _ms(selector.offset),
        "smoothed": selector.extension is Extension.SMOOTHED,
        **_at(selector.at),
    }


def _matcher(matcher: Matcher) -> dict[str, object]:
    return {"name": matcher.name, "type": str(matcher.op), "value": matcher.value}


def _matched(matching: Matching | None) -> dict[str, object] | None:
    if matching is None:
        return None
    return {
        "card": matching.cardinality.value,
        "fillValues": {"lhs": matching.fill_left, "rhs": matching.fill_right},
        "include": matching.include,
        "labels": matching.labels,
        "on": matching.on,
    }


def _function(name: str) -> bytes:
    signature = SIGNATURES[name]
    return _json(
        {
            "argTypes": signature.args,
            "name": name,
            "returnType": signature.returns,
            "variadic": signature.variadic,
        }
    )


def _between(nodes: tuple[Expr, ...]) -> _Pieces:
    pieces: list[bytes | Expr] = []
    for node in nodes:
        pieces += (b",", node)
    return tuple(pieces[1:])
