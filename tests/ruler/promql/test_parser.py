"""The parser: trees, precedence, types, limits, and the words and places of its complaints."""

from __future__ import annotations

import math
import time

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from common.errors import ParseError
from ruler.model.matcher import Matcher, MatchOp
from ruler.promql.ast import (
    Aggregation,
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
from ruler.promql.parser import DEEPEST_NESTING, parse, parse_selector
from ruler.promql.signatures import SIGNATURES
from ruler.promql.walk import nodes


def name(text: str) -> VectorSelector:
    return VectorSelector(text, (Matcher("__name__", MatchOp.EQUAL, text),))


def complaint(text: str) -> str:
    with pytest.raises(ParseError) as caught:
        parse(text)
    return str(caught.value)


def outcome(text: str) -> tuple[Expr | None, int]:
    """The tree of `text`, or where its first mistake is."""
    try:
        return parse(text), 0
    except ParseError as error:
        return None, error.position


def spans(expr: Expr) -> list[tuple[int, int]]:
    return [node.span for node in nodes(expr)]


def problem_or_tree(text: str) -> Expr | str:
    try:
        return parse(text)
    except ParseError as error:
        return error.problem


def without_parens(expr: Expr) -> Expr:
    """The tree with its parentheses taken away: what they group is in its shape."""
    if isinstance(expr, Paren):
        return without_parens(expr.expr)
    if isinstance(expr, Unary):
        return Unary(expr.op, without_parens(expr.expr))
    if isinstance(expr, Binary):
        return Binary(expr.op, without_parens(expr.left), without_parens(expr.right), expr.bool_result, expr.matching)
    return expr


def minutes(count: int) -> Number:
    return Number(60.0 * count, duration=True)


def plus(left: DurationTerm, right: DurationTerm) -> DurationExpr:
    return DurationExpr("+", left, right)


def wrapped(inner: DurationExpr) -> DurationExpr:
    return inner.replaced(wrapped=True)


A, B = name("a"), name("b")
TO_ONE = Matching()
ANY_DURATION = "number, duration, step(), or range()"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1", Number(1.0)),
        ("0x1F", Number(31.0)),
        ("010", Number(8.0)),
        ("08", Number(8.0)),
        ("1_000.5", Number(1000.5)),
        ("5m", Number(300.0, duration=True)),
        ("-1h30m", Number(-5400.0, duration=True)),
        ("-iNf", Number(-math.inf)),
        ("NaN", Number(math.nan)),
        ("- -1", Number(1.0)),
        ("-(1)", Unary("-", Paren(Number(1.0)))),
        ('"a\\x41\\u00e9\\n\\101"', Text("aAé\nA")),
        ("'it\\'s'", Text("it's")),
        ("`\\n`", Text("\\n")),
        ("a", A),
        ("by", name("by")),
        ("start + end", Binary("+", name("start"), name("end"), matching=TO_ONE)),
        ("a:b", name("a:b")),
        ("a offset 5m", VectorSelector("a", A.matchers, offset=300_000)),
        ("a offset -1.5", VectorSelector("a", A.matchers, offset=-1_500)),
        ("a offset (2 * 2)", VectorSelector(
            "a", A.matchers, offset=DurationExpr("*", Number(2.0), Number(2.0), wrapped=True))),
        ("a @ 1.5", VectorSelector("a", A.matchers, at=1_500)),
        ("a @ -1.0005", VectorSelector("a", A.matchers, at=-1_001)),
        ("a @ start() offset 1s", VectorSelector("a", A.matchers, offset=1_000, at=AtEdge.START)),
        ("a offset 1s @ end()", VectorSelector("a", A.matchers, offset=1_000, at=AtEdge.END)),
        ("a[5m]", MatrixSelector(A, 300_000)),
        ("a[5m] offset 1m @ 7", MatrixSelector(VectorSelector("a", A.matchers, 60_000, 7_000), 300_000)),
        ("a[300]", MatrixSelector(A, 300_000)),
        ("a[(5m)]", MatrixSelector(A, 300_000)),
        ("a[24m+((1.5*2m)+2m)]", MatrixSelector(A, plus(minutes(24), wrapped(plus(
            wrapped(DurationExpr("*", Number(1.5), minutes(2))), minutes(2)))))),
        ("a[-2 ^ 2 + 10]", MatrixSelector(A, plus(
            DurationExpr("-", None, DurationExpr("^", Number(2.0), Number(2.0))), Number(10.0)))),
        ("a[max_of(5, min(1m, 10 % 4))]", MatrixSelector(A, DurationExpr("max_of", Number(5.0), DurationExpr(
            "min_of", minutes(1), DurationExpr("%", Number(10.0), Number(4.0)))))),
        ("a[STEP() + 1]", MatrixSelector(A, plus(DurationExpr("step"), Number(1.0)))),
        ("a offset -range() + 1", Binary("+", VectorSelector(
            "a", A.matchers, offset=DurationExpr("-", None, DurationExpr("range"))), Number(1.0))),
        ("a anchored", VectorSelector("a", A.matchers, extension=Extension.ANCHORED)),
        ("a smoothed[5m] @ 7", MatrixSelector(
            VectorSelector("a", A.matchers, at=7_000, extension=Extension.SMOOTHED), 300_000)),
        ("anchored", name("anchored")),
        ("a @ end()[5m]", MatrixSelector(VectorSelector("a", A.matchers, at=AtEdge.END), 300_000)),
        ("a[5m:]", Subquery(A, 300_000)),
        ("a[5m:30] offset 1m", Subquery(A, 300_000, 30_000, 60_000)),
        ("(a)[5m:1m] @ start()", Subquery(Paren(A), 300_000, 60_000, at=AtEdge.START)),
        ("rate(a[5m])", Call("rate", (MatrixSelector(A, 300_000),))),
        ("time()", Call("time", ())),
        ("start()", Call("start", ())),
        ("sum(a)", Aggregation("sum", A)),
        ("SUM BY (x, on, y,) (a)", Aggregation("sum", A, grouping=("x", "on", "y"))),
        ("sum(a) without ()", Aggregation("sum", A, without=True)),
        ('sum by ("a b") (a)', Aggregation("sum", A, grouping=("a b",))),
        ("topk(5, a) by (x)", Aggregation("topk", A, Number(5.0), ("x",))),
        ('count_values("v", a)', Aggregation("count_values", A, Text("v"))),
        ("limit_ratio(-0.5, a)", Aggregation("limit_ratio", A, Number(-0.5))),
        ("1 + 1", Binary("+", Number(1.0), Number(1.0))),
        ("a > bool 1", Binary(">", A, Number(1.0), bool_result=True)),
        ("a and b", Binary("and", A, B, matching=Matching(Cardinality.MANY_TO_MANY))),
        ("a + on() b", Binary("+", A, B, matching=Matching(on=True))),
        ("a * ignoring(x) group_left b", Binary("*", A, B, matching=Matching(Cardinality.MANY_TO_ONE, labels=("x",)))),
        ("a / on(x) group_right(y, z) b",
         Binary("/", A, B, matching=Matching(Cardinality.ONE_TO_MANY, True, ("x",), ("y", "z")))),
        ("a + fill(0) b", Binary("+", A, B, matching=Matching(fill_left=0.0, fill_right=0.0))),
        ("a + fill_left(-1) fill_right(2) b", Binary("+", A, B, matching=Matching(fill_left=-1.0, fill_right=2.0))),
        ("fill + fill", Binary("+", name("fill"), name("fill"), matching=TO_ONE)),
    ],
)  # fmt: skip
def test_tree(text: str, expected: Expr) -> None:
    """A text is read as the tree that the grammar says."""
    assert expected == parse(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('{a="1"}', [("a", "=", "1")]),
        ('a{b!="1",c=~"x|y",}', [("b", "!=", "1"), ("c", "=~", "x|y"), ("__name__", "=", "a")]),
        ('{a!~"x", b="2"}', [("a", "!~", "x"), ("b", "=", "2")]),
        ('{"my.metric", "a.b"="x"}', [("__name__", "=", "my.metric"), ("a.b", "=", "x")]),
        ("a{sum='1', on=\"2\"}", [("sum", "=", "1"), ("on", "=", "2"), ("__name__", "=", "a")]),
        ('{__name__=~"a.+"}', [("__name__", "=~", "a.+")]),
    ],
)  # fmt: skip
def test_matchers(text: str, expected: list[tuple[str, str, str]]) -> None:
    """A selector's matchers are those written, in their order, its bare name last; printed they are sorted."""
    selector = parse(text)
    assert isinstance(selector, VectorSelector)
    found = [(matcher.name, str(matcher.op), matcher.value) for matcher in selector.matchers]
    assert expected == found
    assert selector.matchers == parse_selector(text)
    assert selector == parse(str(selector))


@pytest.mark.parametrize(
    ("text", "grouped"),
    [
        ("a or b and c", "a or (b and c)"),
        ("a unless b and c", "(a unless b) and c"),
        ("a and b == c", "a and (b == c)"),
        ("a == b + c", "a == (b + c)"),
        ("a == b > c", "(a == b) > c"),
        ("a - b - c", "(a - b) - c"),
        ("a + b * c", "a + (b * c)"),
        ("a atan2 b % c", "(a atan2 b) % c"),
        ("a * b ^ c", "a * (b ^ c)"),
        ("a ^ b ^ c", "a ^ (b ^ c)"),
        ("-a ^ b", "-(a ^ b)"),
        ("-a * b", "(-a) * b"),
        ("-a + b", "(-a) + b"),
        ("a ^ -b ^ c", "a ^ (-(b ^ c))"),
        ("a ^ -b * c", "(a ^ (-b)) * c"),
        ("-a offset 5m", "-(a offset 5m)"),
        ("a + b offset 5m", "a + (b offset 5m)"),
        ("a offset 100 + 2", "(a offset 100) + 2"),
        ("a offset -2 ^ 2", "(a offset -2) ^ 2"),
        ("a + b @ 5", "a + (b @ 5)"),
    ],
)
def test_precedence(text: str, grouped: str) -> None:
    """Operators bind as Prometheus says: to the left within a rank but for ^, a sign below ^, modifiers tightest."""
    assert without_parens(parse(grouped)) == without_parens(parse(text))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "unknown position: parse error: no expression found in input"),
        ("a b", '1:3: parse error: unexpected identifier "b"'),
        ("a + ", "1:5: parse error: unexpected end of input"),
        ("a + * b", "1:5: parse error: unexpected <op:*>"),
        ("()", '1:2: parse error: unexpected ")"'),
        ("on", "1:1: parse error: unexpected <on>"),
        ("sum(a b)", '1:7: parse error: unexpected identifier "b" in aggregation'),
        ("sum(rate(a b))", '1:12: parse error: unexpected identifier "b" in aggregation'),
        ("sum(a) b", '1:8: parse error: unexpected identifier "b"'),
        ("sum by (a) b", '1:12: parse error: unexpected identifier "b" in aggregation'),
        ("sum by a", '1:8: parse error: unexpected identifier "a" in grouping opts, expected "("'),
        ("sum by (a b)", '1:11: parse error: unexpected identifier "b" in grouping opts, expected "," or ")"'),
        ("sum by (1)", '1:9: parse error: unexpected number "1" in grouping opts, expected label'),
        ("a{b}", '1:4: parse error: unexpected "}" in label matching, expected label matching operator'),
        ("a{b=c}", '1:5: parse error: unexpected identifier "c" in label matching, expected string'),
        ("a{,}", '1:3: parse error: unexpected "," in label matching, expected identifier or "}"'),
        ('a{b="" c=""}', '1:8: parse error: unexpected identifier "c" in label matching, expected "," or "}"'),
        ("a{b=~'('}", "1:3: parse error: error parsing regexp: missing closing ): `(`"),
        ("a offset b", f'1:10: parse error: unexpected identifier "b" in offset, expected {ANY_DURATION}'),
        ("a @ b", '1:5: parse error: unexpected identifier "b" in @, expected timestamp'),
        ("a @ Inf", "1:1: parse error: timestamp out of bounds for @ modifier: +Inf"),
        ("a[5m)]", "1:6: parse error: unexpected right parenthesis ')'"),
        ("a[]", f'1:3: parse error: unexpected "]" in subquery or range selector, expected {ANY_DURATION}'),
        ("a[5m=~]", "1:5: parse error: unexpected character after '=': '~'"),
        ("a[0", "1:4: parse error: unclosed left bracket"),
        ("a[5m '\\q']", "1:6: parse error: unknown escape sequence U+0071 'q'"),
        ("{a='é'} $", "1:10: parse error: unexpected character: '$'"),
        ("a[0s]", "1:3: parse error: duration must be greater than 0"),
        ("a[1/0]", "1:4: parse error: division by zero"),
        ("a[1.5h]", '1:3: parse error: unknown unit "." in duration "1.5h"'),
        ("a[9e99]", "1:3: parse error: duration out of range"),
        ("a[1m % (0)]", "1:6: parse error: modulo by zero"),
        ("a[5m:1m] anchored", "1:1: parse error: anchored modifier is not supported for subqueries"),
        ("(a + b) smoothed", "1:1: parse error: smoothed modifier not implemented"),
        ("a anchored smoothed", "1:1: parse error: anchored and smoothed modifiers cannot be used together"),
        ("a offset step() offset 5m", "1:1: parse error: offset may not be set multiple times"),
        ("a offset 5m[5m]", "1:12: parse error: no offset modifiers allowed before range"),
        ("a @ 1[5m]", "1:6: parse error: no @ modifiers allowed before range"),
        ("sum(a)[5m]", "1:7: parse error: ranges only allowed for vector selectors"),
        ("a offset 5m offset 5m", "1:1: parse error: offset may not be set multiple times"),
        ("a @ 1 @ 2", "1:1: parse error: @ <timestamp> may not be set multiple times"),
        ("sum()", "1:1: parse error: no arguments for aggregate expression provided"),
        ("topk(a)", "1:1: parse error: wrong number of arguments for aggregate expression provided, expected 2, got 1"),
        ("nope(1)", '1:1: parse error: unknown function with name "nope"'),
        ("Rate(a[5m])", '1:1: parse error: unknown function with name "Rate"; did you mean "rate"?'),
        ("abs(a,)", "1:6: parse error: trailing commas not allowed in function call args"),
        ("1e400", '1:1: parse error: error parsing number: strconv.ParseFloat: parsing "1e400": value out of range'),
        ('"0123456789ab" "x"', '1:16: parse error: unexpected string "\\"x\\""'),
        ("a 0123456789012", '1:3: parse error: unexpected number "0123456789"...'),
        ("a + group_left b", "1:5: parse error: unexpected <group_left>"),
    ],
)  # fmt: skip
def test_syntax_errors(text: str, expected: str) -> None:
    """A mistake in the grammar is told as Prometheus tells it, with its line and column."""
    assert expected == complaint(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("rate(a offset 1m)",
         '1:6: parse error: expected type range vector in call to function "rate", got instant vector'),
        ("rate(a, 1)", '1:1: parse error: expected 1 argument(s) in call to "rate", got 2'),
        ("round()", '1:1: parse error: expected at least 1 argument(s) in call to "round", got 0'),
        ("round(a, 1, 2)", '1:1: parse error: expected at most 2 argument(s) in call to "round", got 3'),
        ('label_join(a, "b", "c", 1)',
         '1:25: parse error: expected type string in call to function "label_join", got scalar'),
        ("rate(abs(1))", '1:10: parse error: expected type instant vector in call to function "abs", got scalar'),
        ("topk(a, b)", "1:6: parse error: expected type scalar in aggregation parameter, got instant vector"),
        ("count_values(1, a)", "1:14: parse error: expected type string in aggregation parameter, got scalar"),
        ("sum(1)", "1:5: parse error: expected type instant vector in aggregation expression, got scalar"),
        ("1 == 1", "1:3: parse error: comparisons between scalars must use BOOL modifier"),
        ("a + bool b", "1:3: parse error: bool modifier can only be used on comparison operators"),
        ("a and 1", '1:1: parse error: set operator "and" not allowed in binary scalar expression'),
        ("a + a[5m]", "1:5: parse error: binary expression must contain only scalar and instant vector types"),
        ("1 + on(a) 2", "1:1: parse error: vector matching only allowed between instant vectors"),
        ("a and on(x) group_left b", '1:1: parse error: no grouping allowed for "and" operation'),
        ("a + on(x) group_left(x) b", '1:3: parse error: label "x" must not occur in ON and GROUP clause at once'),
        ("a[5m:][5m:]", "1:1: parse error: subquery is only allowed on instant vector, got matrix instead"),
        ("{}", "1:1: parse error: vector selector must contain at least one non-empty matcher"),
        ('1 + {a=~".*"}', "1:5: parse error: vector selector must contain at least one non-empty matcher"),
        ('a{__name__="b"}', '1:1: parse error: metric name must not be set twice: "a" or "b"'),
        ("info(a, b)", "1:9: parse error: expected label selectors only, got vector selector instead"),
        ("a and fill(0) b", "1:1: parse error: filling in missing series not allowed for set operators"),
        ("1 + fill(0) b", "1:1: parse error: filling in missing series only allowed between instant vectors"),
        ("{} + nope(", "1:11: parse error: unclosed left parenthesis"),
    ],
)  # fmt: skip
def test_type_errors(text: str, expected: str) -> None:
    """What does not fit together is told as Prometheus tells it, and only when the whole text follows the grammar."""
    assert expected == complaint(text)


def test_long_complaints() -> None:
    """The two longest of Prometheus's sentences, too."""
    kinds = "an instant vector selector or range vector selector or a subquery"
    assert f"1:1: parse error: offset modifier must be preceded by {kinds}" == complaint("1 offset 5m")
    kinds = "expressions of type scalar or instant vector"
    assert f'1:1: parse error: unary expression only allowed on {kinds}, got "string"' == complaint('-"a"')


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("rat(a[5m])", '"rate"'),
        ("Summ(a)", '"sum"'),
        ("increse(a[5m])", '"increase"'),
        ("holt_winters(a[5m], 0.1, 0.2)", '"double_exponential_smoothing"'),
        ('rate(a{b="c"})', 'rate(a{b="c"}[5m])'),
        ("quantile_over_time(0.9, a)", "quantile_over_time(…, a[5m])"),
        ("predict_linear(a, 60)", "predict_linear(a[5m], …)"),
        ("a = 5", '"=="'),
        ("a && b", '"and"'),
        ("a || b", '"or"'),
    ],
)
def test_says_what_was_meant(text: str, meant: str) -> None:
    """Where it is obvious, a complaint ends with what may have been meant, after Prometheus's own words."""
    assert f"; did you mean {meant}?" == complaint(text)[-len(f"; did you mean {meant}?") :]


@pytest.mark.parametrize("text", ["median(a)", "foo(a)", '{a="b"} |= "c"', "rate(sum(a))", "sum(a[5m])", "a{b==1}"])
def test_does_not_guess(text: str) -> None:
    """Nothing is proposed where it would be a guess."""
    assert "did you mean" not in complaint(text)


def test_info_takes_labels_that_match_nothing() -> None:
    """The second argument of info() alone may be a selector that matches everything."""
    assert isinstance(parse('info(a, {b=~".*"})'), Call)


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("h </ 5", "the histogram trim operator </"),
        ("h >/ 5", "the histogram trim operator >/"),
    ],
)
def test_names_what_it_does_not_support(text: str, named: str) -> None:
    """Grammar that is not supported is refused by name, never read as something else."""
    assert f"{named} is not supported yet" in complaint(text)


def test_every_function_parses() -> None:
    """Each function of Prometheus 3.14 is known, and one more, with arguments of its types as its signature says."""
    samples = {ValueType.SCALAR: "1", ValueType.STRING: '"x"', ValueType.VECTOR: '{a="b"}', ValueType.MATRIX: "a[5m]"}
    assert 90 + 1 == len(SIGNATURES)
    for function, signature in SIGNATURES.items():
        expr = parse(f"{function}({', '.join(samples[each] for each in signature.args)})")
        assert (function, signature.returns) == (str(expr).partition("(")[0], expr.type)


def test_spans() -> None:
    """A node knows where it was written, its modifiers included."""
    expr = parse('  sum by (x) ( rate(a{b="c"}[5m] offset 1m) ) / 2')
    assert isinstance(expr, Binary)
    assert isinstance(expr.left, Aggregation)
    assert isinstance(expr.left.expr, Call)
    spans = [expr.span, expr.left.span, expr.left.expr.span, expr.left.expr.args[0].span]
    assert [(2, 49), (2, 45), (15, 43), (20, 42)] == spans


def test_a_long_chain_is_not_nesting() -> None:
    """A chain of thousands of operators parses, prints and compares; it is no deeper than its operands."""
    text = " + ".join(["a"] * 4_000)
    expr = parse(text)
    assert text == str(expr)
    assert expr == parse(str(expr))
    assert hash(expr) == hash(parse(text))


@pytest.mark.parametrize("opening", ["(", "-", "sum(", "abs(", "1 ^ ", "1 + (", "a[", "a[(", "(a)[1:1] + ("])
def test_nesting_is_bounded(opening: str) -> None:
    """However deep a text nests, the answer is a ParseError, at once."""
    assert "parse error" in complaint(opening * 100_000)


def test_nesting_up_to_the_limit() -> None:
    """Nesting just below the limit parses, prints and compares."""
    depth = DEEPEST_NESTING - 1
    text = "(" * depth + "1" + ")" * depth
    assert text == str(parse(text))
    assert parse(text) == parse(text)


def test_size_is_bounded() -> None:
    """A text of more than 1 MiB, or of more than 10,000 nodes, is refused."""
    assert "longer than" in complaint(" " * (1 << 20) + "a")
    assert "more than 10000 parts" in complaint(" + ".join(["1"] * 6_000))


_WORDS = (
    "a", "b:c", "sum", "by", "without", "on", "ignoring", "group_left", "bool", "offset", "and", "or", "rate", "1",
    "5m", "(", ")", "[", "]", "{", "}", ",", ":", "=", "=~", "==", "!=", "<", "+", "-", "*", "^", "@", '"x"', "'", "`",
    "#", "\n", "start()", "inf", "0x", "1e", "\\", "é", "\x00", "topk", "fill", "$",
)  # fmt: skip


@given(st.lists(st.sampled_from(_WORDS), max_size=40).map(" ".join) | st.text(max_size=80))
@example("a[5m:1m:")
@example('"\\')
def test_any_text_has_an_answer(text: str) -> None:
    """Any text gives a tree, which prints and parses to itself, or a ParseError whose place is in the text."""
    expr, failed_at = outcome(text)
    assert 0 <= failed_at <= len(text)
    assert expr is None or expr == parse(str(expr))


@given(st.lists(st.sampled_from([word for word in _WORDS if word not in ("#", "\n", "'", "`")]), max_size=40))
def test_blanks_mean_nothing(words: list[str]) -> None:
    """However tokens are set apart, tree and complaint are the same."""
    assert problem_or_tree(" ".join(words)) == problem_or_tree("\n\t ".join(words))


@pytest.mark.parametrize(
    "text",
    ["a," * 8_192, "f(" + "a," * 8_192, "a{" + 'b="c",' * 2_730, "1_" * 8_192, "5m" * 8_192, "#\n" * 8_192,
     " " * 16_384, '"' + "\\" * 16_383, "a[1" + "+1" * 8_190, "0x" + "e" * 16_382, "a[5m:]" * 2_730,
     "((" + " " * 16_382],
    ids=range(12),
)  # fmt: skip
def test_garbage_is_cheap(text: str) -> None:
    """16 KiB of any one mistake cost far less than a second: no pattern is tried twice over the same text."""
    start = time.process_time()
    complaint(text)
    assert time.process_time() - start < 0.5


MIB = 1 << 20


@pytest.mark.parametrize(
    "text",
    ["a+" * (MIB // 2), "rate(a[5m])+" * (MIB // 12), "{" + 'a="b",' * (MIB // 6 - 1) + "}", "5m" * (MIB // 2),
     "{" + "".join(f'l{index}=~"v{index}.*",' for index in range(50_000)) + "}", "1_" * (MIB // 2),
     '"' + "\\n" * (MIB // 2 - 1) + '"', '{a=~"' + "a?" * (MIB // 2 - 8) + '"}', "fill" + " " * (MIB - 4),
     "sum by (" + "a," * (MIB // 2 - 8) + ") (a)", "a[" + "1+" * (MIB // 2 - 4), "f(" + "a," * (MIB // 2 - 4),
     '"' + "\\x41" * (MIB // 4 - 1) + '"', '{a=~"' + "\\\\pL" * (MIB // 4 - 8) + '"}', "#\n" * (MIB // 2 - 1) + "a",
     '{a=~"' + "|".join(["abc"] * (MIB // 4 - 4)) + '"}'],
    ids=range(16),
)  # fmt: skip
def test_a_mebibyte_is_cheap(text: str) -> None:
    """A text as long as there may be is parsed or refused in tens of milliseconds, whatever stands in it."""
    assert len(text) <= MIB
    start = time.process_time()
    outcome(text)
    assert time.process_time() - start < 0.4


def test_a_usual_query_is_quick() -> None:
    """16 KiB of a usual query cost milliseconds, and none of it is read twice."""
    text = " + ".join(['sum(rate(x{a="b"}[5m]))'] * 630)
    start = time.process_time()
    parse(text)
    assert time.process_time() - start < 0.1
