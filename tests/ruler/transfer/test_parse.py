"""What the parsers take, and what they refuse and how they say so: `line N: what: value`, after what came before."""

from __future__ import annotations

import math

import pytest

from common.labels import Labels
from ruler.model.arrays import STALE
from ruler.transfer import exposition, jsonlines
from ruler.transfer.csvcolumns import BadColumns, described
from ruler.transfer.formats import Format, Reading, load, parse
from ruler.transfer.lines import batches, whole_rows
from ruler.transfer.series import BadLine, Imported, distinct
from tests.ruler.promql.memory_storage import MemoryStorage
from tests.ruler.transfer.world import ListImporter, bits, labelled, series

NAME = '{"metric":{"__name__":"a"},"values":'
# ms that int(float(seconds) * 1000) takes for the ms before (in the years from 2004 to 2038 there is none)
CUT_SHORT = [257_299, 269_947_547_525, 2_151_768_919_443, 2_156_521_978_607, -257_299]
CLOCKS = "(write unix_s, unix_ms, unix_ns, rfc3339)"
STALE_BITS = series(labelled("a"), [(0, STALE)]).values.view("int64").tolist()[0]


def refusal(format_: Format, text: str) -> str:
    with pytest.raises(BadLine) as caught:
        list(parse(format_, [text.encode()], Reading(now=7)))
    return str(caught.value)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("\n{", "line 2: not JSON of an export: input data was truncated"),
        (
            '{"metric":{"__name__":"a"},"values":[1]}',
            "line 1: not JSON of an export: object missing required field `timestamps`",
        ),
        (NAME + '[1],"timestamps":[1,2]}', "line 1: values and timestamps: 1 and 2 of them"),
        (NAME + '[1,"x"],"timestamps":[1,2]}', "line 1: values[1]: not a number: 'x'"),
        (NAME + '[1,{}],"timestamps":[1,2]}', "line 1: values[1]: expected `float | str | null`, got `object`"),
        (NAME + '[1],"timestamps":[1.5]}', "line 1: timestamps[0]: expected `int`, got `float`"),
        (
            NAME + '[1],"timestamps":[9223372036854775808]}',
            "line 1: timestamps: not a time in ms: one does not fit in 64 bits",
        ),
        ('{"metric":{"a":"b"},"values":[1],"timestamps":[1]}', "line 1: metric: no __name__: \"{'a': 'b'}\""),
    ],
)
def test_bad_json_lines_are_named(text: str, problem: str) -> None:
    """The message says which line, which field and which value."""
    assert problem == refusal(Format.JSON, text)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("a 1 1\n", "line 2: the page does not end with # EOF"),
        ("a 1 1\n# EOF\nb 1 1\n", "line 3: more after # EOF: 'b 1 1'"),
        ("a 1\n# EOF\n", "line 1: no timestamp: 'a 1'"),
        ("a 1 1\nb x 1\n# EOF\n", 'line 2: value: not a number: "x"'),
        ("a 1 1\nb 1 x\n# EOF\n", 'line 2: time: not a number: "x"'),
        ("a 1 1\nb 1 NaN\n# EOF\n", "line 2: time: not a time in seconds: 'NaN'"),
        ("a 1 1\n\n{b 1 1\n# EOF\n", "line 3: not a sample: '{b 1 1'"),
        (
            'a{b="c"d="e",b="f"} 1 1\n# EOF\n',
            'line 1: label name "b" is not unique while parsing: "a{b=\\"c\\"d=\\"e\\",b=\\"f\\"} 0"',
        ),
        ("9a 1 1\n# EOF\n", "line 1: expected a valid start token, got '9' while parsing: \"9\""),
        ("a 1 1 1\n# EOF\n", "line 1: not a sample: 'a 1 1 1'"),
    ],
)
def test_bad_openmetrics_is_named(text: str, problem: str) -> None:
    """The message says which line and what in it."""
    assert problem == refusal(Format.OPENMETRICS, text)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("host,__value__,__timestamp__\n", "line 1: format: no column __name__: 'host,__value__,__timestamp__'"),
        ("__name__,__timestamp__\n", "line 1: format: no column of values: '__name__,__timestamp__'"),
        ("__name__,__value__,__timestamp__:unix_ms\na,1,1\nb,2\n", "line 3: 2 columns of 3: 'b,2'"),
        ("__name__,__value__,__timestamp__:unix_ms\na,1,1\nb,x,2\n", 'line 3: value: not a number: "x"'),
        ("__name__,__value__,__timestamp__:unix_ms\na,1,x\n", "line 2: time: not an integer of 64 bits: 'x'"),
        ("__name__,__value__,__timestamp__:unix_ms\n,1,1\n", "line 2: __name__: empty: ''"),
        ('__name__,__value__,__timestamp__:unix_ms\n"a,1,1\n', "line 2: quotes that do not end: '\"a,1,1'"),
        ("__name__,__timestamp__:rfc3339,__value__\na,x,1\n", "line 2: time: not a time in RFC 3339: 'x'"),
        (
            "__name__,__timestamp__:hours,__value__\n",
            f"line 1: format: not a way to write times: 'hours' {CLOCKS}",
        ),
    ],
)
def test_bad_csv_is_named(text: str, problem: str) -> None:
    """The message says which line and what in it; a line end in quotes does not shift the count."""
    assert problem == refusal(Format.CSV, text)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "format: not <place>:<kind>:<which>: '' (write 1:metric:cpu or 2:label:host)"),
        ("1:metric:", "format: not <place>:<kind>:<which>: '1:metric:' (write 1:metric:cpu or 2:label:host)"),
        ("0:metric:a", "format: not <place>:<kind>:<which>: '0:metric:a' (write 1:metric:cpu or 2:label:host)"),
        ("1:gauge:a", "format: not a kind of column: 'gauge' (write label, metric or time)"),
        ("1:metric:a,1:label:b", "format: column 1 twice: '1:metric:a,1:label:b'"),
        ("1:metric:a,2:metric:a", "format: a column twice: '1:metric:a,2:metric:a'"),
        ("1:label:a", "format: no column of values: '1:label:a'"),
        (
            "1:metric:a,2:time:custom:Mon",
            f"format: not a way to write times: 'custom:Mon' {CLOCKS}",
        ),
    ],
)
def test_bad_descriptions_of_columns_are_named(text: str, problem: str) -> None:
    """The message shows how to write one."""
    with pytest.raises(BadColumns) as caught:
        described(text)
    assert problem == str(caught.value)


def test_what_comes_before_a_bad_line_is_stored() -> None:
    """A fault far down in a file loses nothing above it."""
    storage = MemoryStorage()
    told: list[Imported] = []
    text = b"a 1 1\na 2 2\nb 3 3\na xyz 4\na 5 5\n"
    with pytest.raises(BadLine, match=r"line 4: value: not a number"):
        load(ListImporter(storage), Format.PROMETHEUS, [text], Reading(now=0), told.append)
    assert {"a": [(1, 1.0), (2, 2.0)], "b": [(3, 3.0)]} == {
        str(labels): each for labels, each in storage.series.items()
    }
    assert Imported(stored=3) == told[-1]


def test_words_for_values_are_victoriametrics_words() -> None:
    """null is a stale marker, NaN is NaN, and infinity has four spellings."""
    words = '[null,"NaN","nan","Infinity","-Infinity","inf","-Inf"]'
    line = NAME + words + ',"timestamps":[1,2,3,4,5,6,7]}\r\n'
    [found] = jsonlines.parse([line.encode()])
    assert STALE_BITS == found.values.view("int64").tolist()[0]
    assert [True] * 3 == [math.isnan(value) for value in found.values[:3]]
    assert [math.inf, -math.inf, math.inf, -math.inf] == found.values[3:].tolist()


def test_foreign_openmetrics_is_understood() -> None:
    """Metadata is passed over, exemplars are left out, fractions of a ms are cut, a marked NaN is a stale marker."""
    page = (
        "# TYPE a_total counter\n# HELP a_total x\n# UNIT a_total y\n"
        'a_total{le="1 # {"} 5 1.0019 # {trace="x y"} 0.5 1.2\n'
        'a_total{le="1 # {"} 6  2\n'
        "b NaN 1700000000.123\n"
        'b NaN 1700000000.124 # {tocsin="stale"} 1\n'
        '{"ä b",c="d"} -Inf -0.5\n'
        "# EOF"
    )
    found = bits(exposition.parse_openmetrics([page.encode()]))
    times = {name: [time for time, _ in samples] for name, samples in found.items()}
    assert {
        'a_total{le="1 # {"}': [1001, 2000],
        "b": [1_700_000_000_123, 1_700_000_000_124],
        '{"ä b", c="d"}': [-500],
    } == times
    assert [False, True] == [cell == STALE_BITS for _, cell in found["b"]]


def test_prometheus_text_may_leave_out_times() -> None:
    """Lines without a timestamp are of now; those with one keep it."""
    text = b'# TYPE a counter\n\na{b="c d"} 1\na{b="c d"} 2 5\na 3\r\na\t+Inf\t9\n'
    found = bits(exposition.parse_prometheus([text], now=7))
    times = {name: [time for time, _ in samples] for name, samples in found.items()}
    assert {'a{b="c d"}': [5, 7], "a": [7, 9]} == times


def test_times_that_prometheus_would_cut_short_have_one_digit_more() -> None:
    """int64(float(text) × 1000), which is what it does, gives every ms back."""
    times = [1_700_000_000_000 + ms for ms in range(1000)] + CUT_SHORT
    [*lines, end] = b"".join(exposition.write([series(labelled("a"), [(time, 1.0) for time in times])])).splitlines()
    assert b"# EOF" == end
    assert times == [int(float(line.split()[2]) * 1000) for line in lines]


def test_times_of_others_lose_no_ms_to_floats() -> None:
    """Three decimals are three decimals, also where multiplying floats and cutting would give one ms less."""
    page = "".join(f"a 1 {time / 1000}\n" for time in CUT_SHORT) + "# EOF\n"
    [found] = exposition.parse_openmetrics([page.encode()])
    assert sorted(CUT_SHORT) == found.times.tolist()


def test_described_columns_read_foreign_files() -> None:
    """Any order of columns, several values in a row, unused columns, empty values as no sample, extra labels."""
    columns = described("2:time:unix_s,4:label:host,5:metric:load,6:metric:users")
    text = b'x,1700000000,y,"a,""b""",1.5,3,more\r\nx,1700000001.5,y,c,,4\r\n'
    reading = Reading(now=0, columns=columns, extra=Labels({"site": "here"}))
    found = {name: [time for time, _ in samples] for name, samples in bits(parse(Format.CSV, [text], reading)).items()}
    assert {
        'load{host="a,\\"b\\"", site="here"}': [1_700_000_000_000],
        'users{host="a,\\"b\\"", site="here"}': [1_700_000_000_000],
        'users{host="c", site="here"}': [1_700_000_001_500],
    } == found


@pytest.mark.parametrize(
    ("clock", "text", "expected"),
    [
        ("unix_ms", "1700000000123", 1_700_000_000_123),
        ("unix_ns", "1700000000123999999", 1_700_000_000_123),
        ("unix_s", "1700000000.123", 1_700_000_000_123),
        ("rfc3339", "2023-11-14T23:13:20.1239+01:00", 1_700_000_000_123),
        ("rfc3339", "2023-11-14T22:13:20Z", 1_700_000_000_000),
    ],
)
def test_times_in_csv_have_four_forms(clock: str, text: str, expected: int) -> None:
    """Each is cut to whole ms."""
    columns = described(f"1:metric:a,2:time:{clock}")
    [found] = parse(Format.CSV, [f"1,{text}\n".encode()], Reading(now=0, columns=columns))
    assert [expected] == found.times.tolist()


def test_lines_are_bounded() -> None:
    """A line that does not end is refused before it is held whole, in one chunk or in many."""
    for chunks in ([b"x" * 101], [b"x" * 60, b"x" * 60], [b"ok\n" + b"x" * 101 + b"\nmore\n"]):
        with pytest.raises(BadLine, match=r"^line [12]: longer than 100 bytes$"):
            list(batches(chunks, max_line=100))
    with pytest.raises(BadLine, match=r"^line 1: longer than 100 bytes$"):
        list(whole_rows(batches([b'"\n'] + [b"x\n"] * 100, max_line=100), max_row=100))


def test_times_of_a_piece_ascend_and_the_first_of_equals_counts() -> None:
    """What an importer is given is in order, without a time twice."""
    found = distinct(series(labelled("a"), [(3, 1.0), (1, 2.0), (3, 9.0), (2, 3.0)]))
    assert ([1, 2, 3], [2.0, 3.0, 1.0]) == (found.times.tolist(), found.values.tolist())
