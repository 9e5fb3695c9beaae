"""`tocsin promql`, and what `tocsin check rules` says of rules that Prometheus would not take."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from click.testing import CliRunner

from tocsin.cli import cli


def said(*arguments: str, text: str = "") -> tuple[int, str]:
    result = CliRunner().invoke(cli, arguments, input=text)
    return result.exit_code, result.output


def test_format() -> None:
    """A query is printed in its canonical form, be it an argument or standard input; a mistake with its place."""
    assert (0, "sum by (a) (up)\n") == said("promql", "format", "sum  by(a)(up)")
    assert (0, "up\n") == said("promql", "format", "-", text="up # comment\n")
    assert (1, "Error: 1:5: parse error: unexpected end of input\n") == said("promql", "format", "a + ")


EDITS = [
    (["set", 'rate(a{b="c"}[5m]) + sum(d{z="1"} offset 5m)', "b", "x"],
     'rate(a{b="x"}[5m]) + sum(d{b="x",z="1"} offset 5m)'),
    (["set", "-t", "!~", "max_over_time(a[5m:])", "b", "x.*"], 'max_over_time(a{b!~"x.*"}[5m:])'),
    (["set", 'topk(scalar(a), {c="d"}) or -(e)', "c", "é"], 'topk(scalar(a{c="é"}), {c="é"}) or -(e{c="é"})'),
    (["delete", 'rate(a{b="c"}[5m]) + d{b!="1",e="f"}', "b"], 'rate(a[5m]) + d{e="f"}'),
    (["delete", "label_replace(a, \"b\", \"c\", \"d\", \"e\")", "b"], 'label_replace(a, "b", "c", "d", "e")'),
]  # fmt: skip


@pytest.mark.parametrize(("arguments", "expected"), EDITS)
def test_label_matchers(arguments: list[str], expected: str) -> None:
    """In every selector of a query, matchers of a label are replaced, added or left out."""
    assert (0, f"{expected}\n") == said("promql", "label-matchers", *arguments)


@pytest.mark.conformance
@pytest.mark.parametrize("arguments", [arguments for arguments, _ in EDITS])
def test_edits_like_promtool(arguments: list[str], peers: Path) -> None:
    """promtool prints the same."""
    command = [str(peers / "promtool"), "--experimental", "promql", "label-matchers", *arguments]
    theirs = subprocess.run(command, capture_output=True, text=True, check=True, timeout=20).stdout
    assert (0, theirs) == said("promql", "label-matchers", *arguments)


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["delete", '{b="c"}', "b"], 'a selector would be left without a matcher that selects anything: {b="c"}'),
        (["set", '{b="c"}', "b", ""], 'a selector would be left without a matcher that selects anything: {b="c"}'),
        (["set", "a", "__name__", "b"], "the name of a metric is no label to be set or deleted: '__name__'"),
        (["set", "-t", "=~", "a", "b", "("], "1:1: parse error: error parsing regexp: missing closing ): `(`"),
        (["delete", "a{", "b"], "1:3: parse error: unexpected end of input inside braces"),
    ],
)
def test_what_cannot_be_edited(arguments: list[str], problem: str) -> None:
    """What would be no query is refused."""
    assert (1, f"Error: {problem}\n") == said("promql", "label-matchers", *arguments)


RULES = """\
groups:
  - name: g
    rules:
      - record: a:b
        expr: increase(a[step() * 2] anchored)
      - alert: Late
        expr: hour() > 20 + timezone_offset("Europe/Rome")
      - alert: Down
        expr: up == 0
"""


def test_rules_beyond_prometheus_are_named(tmp_path: Path) -> None:
    """A rule that Prometheus would take only with a flag, or not at all, is named with what it needs; it is valid."""
    file = tmp_path / "rules.yml"
    file.write_text(RULES, encoding="utf-8")
    flags = "promql-duration-expr,promql-extended-range-selectors"
    expected = (
        f"{file}: valid: 3 rules\n"
        f"{file}: g: a:b: Prometheus needs --enable-feature={flags} for it\n"
        f"{file}: g: Late: Prometheus has no function timezone_offset()\n"
    )
    assert (0, expected) == said("check", "rules", str(file))
