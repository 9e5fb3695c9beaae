"""The text format: what the parser reads is what a writer wrote, and every oddity is Prometheus's own.

tests/conformance/test_scrape.py holds the same corpus against the real Prometheus.
"""

from __future__ import annotations

import math
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.exposition import generate_latest
from prometheus_client.registry import CollectorRegistry

from common.errors import ExpositionError
from common.textformat import (
    Help,
    MetricType,
    Sample,
    Type,
    normalised,
    parse_line,
    parse_page,
    parse_value,
)

NAMES = st.from_regex(r"[a-zA-Z_][a-zA-Z0-9_]{0,10}", fullmatch=True)
TEXTS = st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\0"), max_size=20)
FLOATS = st.floats(allow_nan=False)


class Written:
    """A collector with one family."""

    def __init__(self, family: GaugeMetricFamily) -> None:
        self._family = family

    def collect(self) -> list[GaugeMetricFamily]:
        return [self._family]


@given(NAMES, TEXTS, st.dictionaries(NAMES.filter(lambda name: name != "__name__"), TEXTS, max_size=4), FLOATS)
@example("m", "a \\n b\nc", {"a": 'say "\\n"\\\n'}, -0.0)
def test_parse_reads_what_the_exporters_write(name: str, text: str, labels: dict[str, str], value: float) -> None:
    """parse(write(f)) == f, for any names, help, label values and numbers."""
    family = GaugeMetricFamily(name, text, labels=list(labels))
    family.add_metric(list(labels.values()), value)
    registry = CollectorRegistry()
    registry.register(Written(family))
    *about, sample = parse_page(generate_latest(registry))
    assert [Help(name, text), Type(name, MetricType.GAUGE)] == about
    assert isinstance(sample, Sample)
    assert {"__name__": name, **labels} == dict(sample.labels)
    assert repr(value) == repr(sample.value)


@given(st.binary(max_size=60))
@example(b'a{b="c"} 1 1\n')
@example(b"a 1\n#\0")
def test_any_bytes_are_read_or_refused(page: bytes) -> None:
    """Garbage gives entries or an ExpositionError with a line of the page, and nothing else."""
    line = 1
    try:
        list(parse_page(page))
    except ExpositionError as error:
        line = error.line
    assert 1 <= line <= page.count(b"\n") + 1


@given(
    st.lists(
        st.sampled_from([b"a 1", b'b{c="d"} 2 3', b"# TYPE a counter", b"", b"  ", b"# x", b'{"x"} 5']), max_size=8
    )
)
def test_lines_that_are_valid_alone_make_a_valid_page(lines: list[bytes]) -> None:
    """The scraper's fast path stands on this: a page is the sum of its lines."""
    alone = [entry for line in lines if (entry := parse_line(line)) is not None]
    assert alone == list(parse_page(b"\n".join(lines)))


@pytest.mark.parametrize(
    ("line", "labels"),
    [
        (b'a{b="c",} 1', {"__name__": "a", "b": "c"}),
        (b'a{b="c"d="e"} 1', {"__name__": "a", "b": "c", "d": "e"}),
        (b'a { b = "c" , d = "e" } 1', {"__name__": "a", "b": "c", "d": "e"}),
        (b'a{b="c"}1', {"__name__": "a", "b": "c"}),
        (b'a{b="x\\"\\\\\\n\\q"} 1', {"__name__": "a", "b": 'x"\\\n\\q'}),
        ('{"ü.x","l ä"="v"} 1'.encode(), {"__name__": "ü.x", "l ä": "v"}),
        (b'{b="c","a"} 1', {"__name__": "a", "b": "c"}),
        (b" a 1", {"__name__": " a"}),
    ],
)
def test_labels_are_read_as_prometheus_reads_them(line: bytes, labels: dict[str, str]) -> None:
    """Commas, spaces, escapes and quoted names are as free as in Prometheus."""
    sample = parse_line(line)
    assert isinstance(sample, Sample)
    assert labels == dict(sample.labels)
    assert line.startswith(sample.prefix)


@pytest.mark.parametrize(
    ("page", "problem"),
    [
        (b"a", "line 1: expected value after metric, got 'the end of the page' while parsing: \"a\""),
        (b"a 1\nb{c='d'} 1\n", 'line 2: expected label value, got "\'" while parsing: "b{c=\'"'),
        (b'a{b="\xff"} 1', 'line 1: invalid UTF-8 label value: "\\\\xff" while parsing: "a{b=\\"\\\\xff\\""'),
        (b"a 1\r\n", 'line 1: not a number: "1\\r" while parsing: "a 1\\r"'),
        (b"foo 1_2\n", 'line 1: unsupported character in float: "1_2" while parsing: "foo 1_2"'),
        (b"foo 1e999\n", 'line 1: value out of range: "1e999" while parsing: "foo 1e999"'),
        (b'{a="ok"} 1', 'line 1: metric name not set while parsing: "{a=\\"ok\\"} "'),
        (b'a{b="1",b="2"} 1', 'line 1: label name "b" is not unique while parsing: "a{b=\\"1\\",b=\\"2\\"} 1"'),
        (b"# TYPE a foo\n", 'line 1: invalid metric type "foo" while parsing: "# TYPE a foo\\n"'),
        (b"<html>", "line 1: expected a valid start token, got '<' while parsing: \"<\""),
    ],
)
def test_an_error_names_the_line_and_the_offender(page: bytes, problem: str) -> None:
    """Errors are worded as Prometheus words them, with the line before."""
    with pytest.raises(ExpositionError) as caught:
        list(parse_page(page))
    assert problem == str(caught.value)


@pytest.mark.parametrize("text", [b"0", b"-0", b"+5", b".5", b"5.", b"007", b"1E+5", b"inf", b"-Infinity", b"NaN"])
def test_numbers_are_gos(text: bytes) -> None:
    """Whatever Go's ParseFloat takes in decimal is taken, and means the same."""
    value = parse_value(text)
    assert repr(float(text)) == repr(value)


@pytest.mark.parametrize(
    "text", [b"", b"1_0", b"0x10", b"0x1p3", b"+nan", b"-NaN", b"1e", b".", b"1\r", b"1\x0b", b"1e999"]
)
def test_what_gos_parser_refuses_is_refused(text: bytes) -> None:
    """Python's float() takes more than Prometheus does; the difference is refused."""
    with pytest.raises(ValueError):
        parse_value(text)


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("1", "1.0"),
        ("+Inf", "+Inf"),
        ("1e-5", "1e-05"),
        ("100000000000", "1e+11"),
        ("1234567", "1.234567e+06"),
        ("0.50", "0.5"),
        ("123456.7", "123456.7"),
        ("-5", "-5.0"),
        ("nan", "NaN"),
        ("x", "x"),
        ("0", "0.0"),
    ],
)
def test_bucket_bounds_are_normalised(written: str, expected: str) -> None:
    """`le` under a histogram and `quantile` under a summary become OpenMetrics floats; elsewhere they stay."""
    assert (("le", expected),) == normalised((("le", written),), MetricType.HISTOGRAM)
    assert (("quantile", expected),) == normalised((("quantile", written),), MetricType.SUMMARY)
    assert (("le", written),) == normalised((("le", written),), MetricType.UNTYPED)


def test_the_peers_pages_are_read_whole(testdata: Path) -> None:
    """Real pages of Prometheus's test data parse to the end, with as many samples as they have lines with values."""
    for name in ("alltypes.237mfs.prom.txt", "alltypes.237mfs.nometa.prom.txt"):
        page = (testdata / "prometheus/model/textparse/testdata" / name).read_bytes()
        samples = [entry for entry in parse_page(page) if isinstance(entry, Sample)]
        assert [line for line in page.splitlines() if line and not line.startswith(b"#")] == [
            sample.prefix + line.removeprefix(sample.prefix)
            for sample, line in zip(
                samples, (line for line in page.splitlines() if line and not line.startswith(b"#")), strict=True
            )
        ]
        assert not any(math.isinf(sample.value) for sample in samples)
