"""The printed form of a query: Prometheus's canonical one, which parses back to the same tree."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ruler.model.matcher import Matcher, MatchOp
from ruler.promql.ast import (
    Aggregation,
    At,
    AtEdge,
    Binary,
    Call,
    Cardinality,
    DurationExpr,
    DurationTerm,
    Expr,
    Extension,
    Matching,
    MatrixSelector,
    Number,
    Paren,
    Subquery,
    Text,
    Unary,
    ValueType,
    VectorSelector,
)
from ruler.promql.parser import parse
from ruler.promql.pretty import pretty
from ruler.promql.signatures import PARAMETERS, SIGNATURES


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1e3", "1000"),
        ("1e-7", "0.0000001"),
        ("inf", "+Inf"),
        ("-1h30m", "-1h30m"),
        ("90m", "1h30m"),
        ("'a\"b\\t'", '"a\\"b\\t"'),
        ("`é\\x`", '"é\\\\x"'),
        ('a{z="1",b=~"2"}', 'a{b=~"2",z="1"}'),
        ('{"a.b", c="d"}', '{__name__="a.b",c="d"}'),
        ('{"a b"="c", __name__!="x", d=""}', '{"a b"="c",__name__!="x",d=""}'),
        ("a offset -5m @ 1.5", "a @ 1.500 offset -5m"),
        ("a[7d] offset 1w", "a[1w] offset 1w"),
        ("a[5m:] @ end()", "a[5m:] @ end()"),
        ("a[5m*2:1m]", "a[5m * 2:1m]"),
        ("a[+(STEP())+1:min(1m,(90))] offset -(range())", "a[(step()) + 1:min_of(1m, 90)] offset -(range())"),
        ("a[(-2)^2] offset (2*-(-(5m)))", "a[(-2) ^ 2] offset (2 * 5m)"),
        ("a offset -1m anchored @ 1", "a @ 1.000 anchored offset -1m"),
        ("a[1m] offset 1s smoothed", "a[1m] smoothed offset 1s"),
        ("sum(a) by (b, c)", "sum by (b, c) (a)"),
        ("sum by () (a)", "sum(a)"),
        ("sum without () (a)", "sum without () (a)"),
        ('sum by ("b c") (a)', 'sum by ("b c") (a)'),
        ("TOPK(5,a)", "topk(5, a)"),
        ("a==bool on(x)group_left b", "a == bool on (x) group_left () b"),
        ("a + ignoring() b", "a + b"),
        ("a + on() b", "a + on () b"),
        ("a + fill(0) b", "a + fill (0) b"),
        ("a + fill_right(1e7) b", "a + fill_right (1e+07) b"),
        ("- a", "-a"),
        ("( a )", "(a)"),
        ("label_replace(a,'b','$1','c','(.*)')", 'label_replace(a, "b", "$1", "c", "(.*)")'),
    ],
)
def test_prints(text: str, expected: str) -> None:
    """A query prints in Prometheus's canonical form."""
    assert expected == str(parse(text))


_NAMES = st.sampled_from(["a", "up", "job:x:rate5m", "by", "start", "a_b1"])
_LABELS = st.sampled_from(["x", "y", "le", "on", "sum", "a.b", "é"]) | st.text(min_size=1, max_size=4)
_TEXTS = st.text(alphabet=st.characters(exclude_categories=["Cs"]), max_size=8)
_MILLISECONDS = st.integers(1, 10**10)
_NUMBERS = st.builds(Number, st.floats(min_value=0)) | st.builds(
    Number, st.integers(0, 10**9).map(lambda ms: ms / 1000), st.just(True)
)
_SECONDS = st.builds(Number, st.floats(0.001, 10**6)) | st.builds(
    Number, st.integers(1, 10**9).map(lambda ms: ms / 1000), st.just(True)
)


def _signed(term: DurationTerm) -> DurationTerm:
    """The term with a minus sign before it, which a literal takes into itself."""
    return term.replaced(value=-term.value) if isinstance(term, Number) else DurationExpr("-", None, term)


def _in_parentheses(term: DurationTerm) -> DurationTerm:
    return term.replaced(wrapped=True) if isinstance(term, DurationExpr) else term


_TERMS: st.SearchStrategy[DurationTerm] = st.recursive(
    _SECONDS | st.builds(DurationExpr, st.sampled_from(["step", "range"])),
    lambda terms: (
        st.builds(
            lambda op, left, right: DurationExpr(op, _in_parentheses(left), _in_parentheses(right)),
            st.sampled_from("+-*/%^"),
            terms,
            terms,
        )
        | st.builds(DurationExpr, st.sampled_from(["min_of", "max_of"]), terms, terms)
        | st.builds(lambda term: _signed(_in_parentheses(term)), terms)
    ),
    max_leaves=6,
)
_ARITHMETIC = st.builds(
    lambda left, op, right: DurationExpr(op, left, _in_parentheses(right)), _SECONDS, st.sampled_from("+-*"), _TERMS
)
_REACHES = _MILLISECONDS | _ARITHMETIC
_WRAPPED = _ARITHMETIC.map(lambda term: term.replaced(wrapped=True))
_NEGATED = _WRAPPED.map(lambda term: DurationExpr("-", None, term))
_OFFSETS = st.just(0) | st.integers(-(10**9), 10**9) | _WRAPPED | _NEGATED
_ATS: st.SearchStrategy[At | None] = st.none() | st.sampled_from(AtEdge) | st.integers(-(10**12), 10**12)


@st.composite
def _selectors(draw: st.DrawFn) -> VectorSelector:
    name = draw(st.just("") | _NAMES)
    ops = st.sampled_from([MatchOp.EQUAL, MatchOp.NOT_EQUAL])
    labels = st.builds(Matcher, _LABELS, ops, _TEXTS) | st.builds(
        Matcher, _LABELS, st.just(MatchOp.REGEX), st.just("a.*")
    )
    written = draw(st.lists(labels, max_size=3).filter(lambda all_: all(each.name != "__name__" for each in all_)))
    written.append(Matcher("__name__", MatchOp.EQUAL, name or draw(_TEXTS.filter(bool))))
    return VectorSelector(name, tuple(written), draw(_OFFSETS), draw(_ATS), draw(st.sampled_from(Extension)))


def _operand(expr: Expr) -> Expr:
    """What may stand beside an operator or before a bracket without being read otherwise."""
    return Paren(expr) if isinstance(expr, Binary | Unary) else expr


@st.composite
def _binaries(draw: st.DrawFn, vectors: st.SearchStrategy[Expr]) -> Expr:
    left, right = _operand(draw(vectors)), _operand(draw(vectors | _NUMBERS))
    labels = draw(st.lists(_LABELS, max_size=2).map(tuple))
    if right.type is ValueType.SCALAR:
        op = draw(st.sampled_from(["+", "-", "*", "/", "%", "^", "atan2", ">", "=="]))
        return Binary(op, left, right, op in (">", "==") and draw(st.booleans()))
    if draw(st.booleans()):
        op = draw(st.sampled_from(["and", "or", "unless"]))
        matching = Matching(Cardinality.MANY_TO_MANY, draw(st.booleans()), labels)
        return Binary(op, left, right, matching=matching)
    cardinality = draw(st.sampled_from([each for each in Cardinality if each is not Cardinality.MANY_TO_MANY]))
    grouped = cardinality is not Cardinality.ONE_TO_ONE
    include = tuple(label for label in draw(st.lists(_LABELS, max_size=2)) if label not in labels) if grouped else ()
    fills = draw(st.tuples(st.none() | st.floats(allow_nan=False), st.none() | st.floats(allow_nan=False)))
    matching = Matching(cardinality, draw(st.booleans()), labels, include, *fills)
    op = draw(st.sampled_from(["+", "/", "^", "!=", "<="]))
    return Binary(op, left, right, op in ("!=", "<=") and draw(st.booleans()), matching)


@st.composite
def _aggregations(draw: st.DrawFn, vectors: st.SearchStrategy[Expr]) -> Expr:
    op = draw(st.sampled_from(["sum", "count", "topk", "quantile", "count_values", "group"]))
    takes = PARAMETERS.get(op)
    param: Expr | None = None
    if takes is not None:
        param = draw(_NUMBERS) if takes is ValueType.SCALAR else Text(draw(_TEXTS))
    return Aggregation(op, draw(vectors), param, draw(st.lists(_LABELS, max_size=2).map(tuple)), draw(st.booleans()))


@st.composite
def _calls(draw: st.DrawFn, vectors: st.SearchStrategy[Expr]) -> Expr:
    kinds: dict[ValueType, st.SearchStrategy[Expr]] = {
        ValueType.SCALAR: _NUMBERS,
        ValueType.STRING: st.builds(Text, _TEXTS),
        ValueType.VECTOR: vectors,
        ValueType.MATRIX: st.builds(MatrixSelector, _selectors(), _REACHES)
        | st.builds(Subquery, vectors.map(_operand), _REACHES, st.none() | _REACHES, _OFFSETS, _ATS),
    }
    signature = draw(st.sampled_from([each for each in SIGNATURES.values() if each.returns is ValueType.VECTOR]))
    args = [draw(kinds[each]) for each in signature.args]
    if signature.name == "info":
        args = args[:1]
    return Call(signature.name, tuple(args))


_VECTORS: st.SearchStrategy[Expr] = st.recursive(
    _selectors(),
    lambda vectors: (
        _binaries(vectors)
        | _aggregations(vectors)
        | _calls(vectors)
        | st.builds(Paren, vectors)
        | st.builds(lambda sign, expr: Unary(sign, _operand(expr)), st.sampled_from("+-"), vectors)
    ),
    max_leaves=8,
)


@given(_VECTORS)
@example(parse('sum by ("NaN", inf_) (a * on ("Inf") group_left ("nan") b)'))
def test_printing_and_parsing_is_identity(expr: Expr) -> None:
    """`parse(str(expr)) == expr`, whatever was written, and so it is when laid out over lines."""
    assert expr == parse(str(expr))
    assert expr == parse(pretty(expr))
