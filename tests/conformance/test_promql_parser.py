"""The parser beside the real ones: promtool's verdicts, Prometheus's own scripts, its live error messages and trees."""

from __future__ import annotations

import json
import random
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import promql_parser
import pytest

from common.errors import ParseError
from ruler.promql.ast import Aggregation, Binary, Call, Expr, MatrixSelector, Paren, Subquery, Unary
from ruler.promql.parser import parse
from tests.conformance.promqltest import SCRIPTS
from tests.peers import Prometheus, prometheus

pytestmark = pytest.mark.conformance


def answer(text: str) -> str:
    """The canonical form of a query, or what is wrong with it, without what may have been meant."""
    try:
        return str(parse(text))
    except ParseError as error:
        return str(error).partition("; did you mean ")[0]


def corpus(testdata: Path) -> list[tuple[str, bool]]:
    """Expressions of real rules and dashboards, each with promtool's verdict."""
    lines = (testdata / "expressions.jsonl").read_text().splitlines()
    return [(each["expr"], each["promtool"] == "ok") for each in map(json.loads, lines)]


def scripted(path: Path) -> list[str]:
    """The expressions that a promqltest script evaluates."""
    when = r"(?:instant(?:\s+at\s+\S+)?|range\s+from\s+\S+\s+to\s+\S+\s+step\s+\S+)"
    return re.findall(rf"^eval(?:_\w+)?\s+{when}\s+(.*?)\s*$", path.read_text(), re.MULTILINE)


def test_agrees_with_promtool_on_real_expressions(testdata: Path) -> None:
    """Every real expression is taken or refused as promtool does, and prints to what parses to the same tree."""
    expressions = corpus(testdata)
    taken = {text: not answer(text).partition(": ")[2].startswith("parse error") for text, _ in expressions}
    disagreed = [text for text, ok in expressions if taken[text] != ok]
    print(f"promtool and we agree on {len(expressions) - len(disagreed)} of {len(expressions)} real expressions")
    assert [] == disagreed
    assert [] == [text for text, ok in expressions if ok and parse(str(parse(text))) != parse(text)]


def test_takes_prometheus_own_scripts(testdata: Path) -> None:
    """Every expression of Prometheus's scripts parses, or is refused by the name of what is not supported yet."""
    refused: Counter[str] = Counter()
    total = 0
    for path in sorted((testdata / SCRIPTS).glob("*.test")):
        for text in scripted(path):
            total += 1
            try:
                expr = parse(text)
            except ParseError as error:
                refused[f"{path.name}: {error.problem}"] += 1
            else:
                assert expr == parse(str(expr)), text
    assert [] == [reason for reason in refused if not reason.endswith("is not supported yet")]
    print(f"{total - refused.total()} of {total} expressions parse; refused: {dict(refused)}")
    assert total > 2_000
    assert {"native_histograms.test"} >= {name.partition(":")[0] for name in refused}


def test_agrees_with_another_parser(testdata: Path) -> None:
    """Real expressions with one token lost are taken or refused as promql-parser does, where its grammar is as new."""
    chance = random.Random(20)
    disagreed = []
    for text, _ in chance.sample(corpus(testdata), 400):
        tokens = re.findall(r"\s+|\w+|\"[^\"]*\"|.", text)
        tokens.pop(chance.randrange(len(tokens)))
        broken = "".join(tokens)
        try:
            promql_parser.parse(broken)
            theirs = True
        except ValueError:
            theirs = False
        if theirs != (": parse error: " not in answer(broken)):
            disagreed.append(broken)
    print(f"promql-parser disagrees on {len(disagreed)} of 400: {disagreed}")
    assert len(disagreed) <= 8


@pytest.fixture(scope="module")
def peer(peers: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prometheus]:
    """A real Prometheus that scrapes nothing."""
    features = "--enable-feature=promql-experimental-functions,promql-duration-expr"
    with prometheus(peers, tmp_path_factory.mktemp("prometheus"), {}, features) as peer:
        yield peer


def said(found: dict[str, Any]) -> str:
    """The canonical form or the complaint in Prometheus's answer, blanks folded: long queries are broken into lines."""
    text: str = found.get("error") or found.get("data") or ""
    return text.removeprefix('invalid parameter "query": ')


def folded(text: str) -> str:
    return "".join(text.split())


_PIECES = (
    "and", "or", "unless", "atan2", "by", "without", "on", "ignoring", "group_left", "bool", "offset", "(", ")", "[",
    "]", "{", ",", "5m", "1", "-", "+", "*", "^", "==", '"x"', "'y'", "`z`", "=", "foo", "a:b", "sum", "topk", "rate",
    "nan", "# c\n", "0x1f", "1e3", "1_0", "$", "~", "offset -5m", "[5m]", "[5m:1m]", "[5m:]", "by (a)", "on(a)", "{}",
    'group_right(b)', '{a="b"}', "1h30m", "time()", "@ 5", "@ end()",
)  # fmt: skip

# Where Prometheus 3.5 differs from 3.14 (whose behaviour is ours) or says nothing sensible.
_OLDER = re.compile(
    r"number or duration|<Item|unexpected colon '|unexpected \"\(\"|duration expression|unknown position|Float: parsing"
)


def test_complains_and_prints_like_prometheus(testdata: Path, peer: Prometheus) -> None:
    """Real expressions with tokens lost and put in get the very answer of Prometheus, in its very words."""
    chance = random.Random(7)
    expressions = [text for text, _ in corpus(testdata) if len(text) < 100 and text.isascii()]
    differing, complaints = [], 0
    for _ in range(500):
        tokens = re.findall(r"\s+|[\w:]+|\"[^\"]*\"|.", chance.choice(expressions))
        for _ in range(chance.choice((1, 1, 1, 2, 3))):
            place = chance.randrange(len(tokens) + 1)
            if chance.random() < 0.4 and tokens:
                tokens.pop(min(place, len(tokens) - 1))
            else:
                tokens.insert(place, f" {chance.choice(_PIECES)} ")
        query = "".join(tokens)
        theirs, ours = said(peer.ask("format_query", query=query)), answer(query)
        complaints += ": parse error: " in theirs
        if folded(theirs) != folded(ours) and not _OLDER.search(theirs):
            differing.append((query, theirs, ours))
    print(f"{500 - len(differing)} of 500 answers are Prometheus's, {complaints} of them complaints")
    assert [] == differing
    assert complaints > 200


def shape(expr: Expr) -> Any:
    """How a query is grouped, in the words of Prometheus's parse_query."""
    match expr:
        case Binary():
            return [expr.op, shape(expr.left), shape(expr.right)]
        case Unary():
            return [expr.op, shape(expr.expr)]
        case Paren():
            return ["()", shape(expr.expr)]
        case Call() | Aggregation() | MatrixSelector() | Subquery():
            return type(expr).__name__
    return "leaf"


def their_shape(node: dict[str, Any]) -> Any:
    """The same of what parse_query answers."""
    kind = node["type"]
    if kind == "binaryExpr":
        return [node["op"], their_shape(node["lhs"]), their_shape(node["rhs"])]
    if kind == "unaryExpr":
        return [node["op"], their_shape(node["expr"])]
    if kind == "parenExpr":
        return ["()", their_shape(node["expr"])]
    names = {"call": "Call", "aggregation": "Aggregation", "matrixSelector": "MatrixSelector", "subquery": "Subquery"}
    return names.get(kind, "leaf")


def test_groups_like_prometheus(peer: Prometheus) -> None:
    """Random chains of operators and signs are grouped as Prometheus groups them."""
    chance = random.Random(3)
    operators = ["+", "-", "*", "/", "%", "^", "atan2", "==", ">", "and", "or", "unless"]
    operands = ["a", "b", "-a", "-(b)", "sum(a)", "a offset 5m", "rate(a[5m])", "(a or b)", "-sum(b) by (x)"]
    for _ in range(150):
        query = chance.choice(operands)
        for _ in range(chance.randint(1, 5)):
            query += f" {chance.choice(operators)} {chance.choice(operands)}"
        assert their_shape(peer.ask("parse_query", query=query)["data"]) == shape(parse(query)), query
