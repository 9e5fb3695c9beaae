"""Templates: the language, its functions, its errors and its limits."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.errors import ParseError, QueryError
from common.labels import Labels
from ruler.model.result import Matrix, Result, Scalar, Vector
from ruler.model.table import StringPool, table_of
from ruler.template import Template, TemplateData, TemplateError
from ruler.template.execute import FUNCTIONS
from ruler.template.promfunctions import humanize, humanize_1024, humanize_duration, humanize_timestamp

LABELS = {"instance": "a.example:9100", "job": "node", "empty": ""}


def answers(text: str) -> Result:
    """A query engine that knows three answers."""
    if text == "x":
        labels = [Labels({"__name__": "x", "l": "b"}), Labels({"__name__": "x", "l": "a"})]
        return Result(Vector(0, table_of(labels, StringPool()), np.array([3.5, 2.0])))
    if text == "5":
        return Result(Scalar(0, 5.0))
    if text == "none":
        return Result(Vector(0, table_of([], StringPool()), np.zeros(0)))
    if text == "x[5m]":
        empty = np.zeros(0, dtype=np.int64)
        return Result(Matrix(table_of([], StringPool()), empty, empty, np.zeros(0)))
    raise QueryError(f"cannot answer {text}")


DATA = TemplateData(
    labels=LABELS,
    value=2.5,
    external_labels={"region": "eu"},
    external_url="http://ext.example:9090/pre",
    query=answers,
    now=1_435_065_584_128,
)


def render(text: str, data: TemplateData = DATA) -> str:
    return Template("t", text).render(data)


def failure(text: str) -> str:
    """What is wrong with a template once it is rendered, without the place that every such message starts with."""
    template = Template("t", text)
    with pytest.raises(TemplateError) as caught:
        template.render(DATA)
    return str(caught.value).removeprefix("error executing template t: template: t:")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("no action", "no action"),
        ("", ""),
        ("{{ $labels.instance }} is {{ $value }}", "a.example:9100 is 2.5"),
        ("{{ .Labels.job }}|{{ .Value }}|{{ .ExternalLabels.region }}|{{ .ExternalURL }}",
         "node|2.5|eu|http://ext.example:9090/pre"),
        ("{{ $externalLabels.region }} {{ $externalURL }}", "eu http://ext.example:9090/pre"),
        ("[{{ $labels.missing }}{{ .Labels.missing }}{{ index $labels `missing` }}]", "[]"),
        ("{{ $labels }}", "map[empty: instance:a.example:9100 job:node]"),
        ("a {{- 1 -}} b {{- /* c */ -}} c", "a1bc"),
        ("a\n{{- if true }}\n b{{ end }}", "a\n b"),
        ("{{/* c */}}x", "x"),
        ("{{ if $labels.missing }}a{{ else if gt $value 2.0 }}b{{ else }}c{{ end }}", "b"),
        ("{{ with $labels.job }}{{ . }}{{ $.Value }}{{ end }}{{ with 0 }}{{ else }}z{{ end }}", "node2.5z"),
        ("{{ with 0 }}{{ else with 3 }}{{ . }}{{ end }}", "3"),
        ("{{ range $k, $v := .ExternalLabels }}{{ $k }}={{ $v }}{{ end }}", "region=eu"),
        ("{{ range $v := $externalLabels }}{{ $v }}{{ else }}none{{ end }}", "eu"),
        ("{{ range 3 }}{{ . }}{{ end }}{{ range 0 }}{{ else }}none{{ end }}", "012none"),
        ("{{ range 9 }}{{ if eq . 1 }}{{ continue }}{{ end }}{{ if eq . 3 }}{{ break }}{{ end }}{{ . }}{{ end }}",
         "02"),
        ("{{ $x := 5 }}{{ $x = 6 }}{{ if true }}{{ $x := 7 }}{{ $x }}{{ end }}{{ $x }}", "76"),
        ("{{ $x := 0 }}{{ range 3 }}{{ $x = . }}{{ end }}{{ $x }}", "2"),
        ('{{ define "d" }}<{{ . }}>{{ end }}{{ template "d" 5 }}{{ template "d" $labels.job }}', "<5><node>"),
        ('{{ block "b" 7 }}[{{ . }}]{{ end }}', "[7]"),
        ('{{ define "d" }}{{ . }}{{ end }}{{ template "d" }}', "<no value>"),
        ("{{ 1.5 }} {{ 1e9 }} {{ 0x10 }} {{ 'a' }} {{ `raw\\n` }} {{ true }} {{ 1_000 }} {{ -5 }}",
         "1.5 1e+09 16 97 raw\\n true 1000 -5"),
        ('{{ "a\\tb\\u00e9\\x41" }}', "a\tbéA"),
        ("{{ $labels.job | toUpper | printf `%s-%s` `x` }}", "x-NODE"),
        ("{{ (args 1 `x`).arg1 }} {{ (args 1).nope }} {{ args 1 2.5 }}", "x <no value> map[arg0:1 arg1:2.5]"),
    ],
)  # fmt: skip
def test_language(text: str, expected: str) -> None:
    """Actions do what text/template says that they do."""
    assert expected == render(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("{{ and 1 0 2 }} {{ or 0 `` `y` }} {{ not 0 }} {{ not nil }}", "0 y true true"),
        ("{{ or 1 (index (query `none`) 9) }}", "1"),
        ("{{ eq 1 1 }} {{ eq `a` `b` `a` }} {{ ne 1 2 }} {{ lt 1 2 }} {{ le 1.5 1.5 }} {{ gt `b` `a` }} {{ ge 1 2 }}",
         "true true true true true true false"),
        ("{{ len `é` }} {{ len $labels }} {{ index `abc` 1 }} {{ slice `abcdef` 1 3 }}", "2 3 98 bc"),
        ("{{ print 1 2 `a` `b` 3 4.5 true nil }}|{{ println `a` 1 }}|", "1 2ab3 4.5 true <nil>|a 1\n|"),
        ("{{ html `<a href='x'>&\"` }}", "&lt;a href=&#39;x&#39;&gt;&amp;&#34;"),
        ("{{ js `<a>'é` }}{{ js 5 }}", "\\u003Ca\\u003E\\'é5"),
        ("{{ urlquery `a b` `c` }} {{ urlQueryEscape `a b&c/é~` }}", "a+bc a+b%26c%2F%C3%A9~"),
        ("{{ query `x` | first | value }} {{ query `x` | sortByLabel `l` | first | label `l` }}", "3.5 a"),
        ("{{ range query `x` }}{{ .Labels.l }}={{ .Value }};{{ end }}", "b=3.5;a=2;"),
        ("{{ query `5` | first }} {{ len (query `none`) }} {{ with query `none` }}a{{ else }}b{{ end }}",
         "{map[] 5} 0 b"),
        ("{{ (index (query `x`) 1).Labels.l }}{{ strvalue (query `x` | first) }}", "a"),
        ("{{ title `hello wORLD foo-bar it's` }} {{ toUpper `aé` }} {{ toLower `AÉ` }}",
         "Hello WORLD Foo-Bar It's AÉ aé"),
        ("{{ stripPort `a.b:80` }} {{ stripPort `[::1]:80` }} {{ stripPort `a:b:c` }}", "a.b ::1 a:b:c"),
        ("{{ stripDomain `a.b.c:80` }} {{ stripDomain `1.2.3.4:80` }} {{ stripDomain `a.b` }}", "a:80 1.2.3.4:80 a"),
        ("{{ match `a.c` `xabcx` }} {{ match `^b` `ab` }}", "true false"),
        ("{{ reReplaceAll `(.)b` `<$1>` `abab` }} {{ reReplaceAll `x*` `-` `abc` }}", "<a><a> -a-b-c-"),
        ("{{ reReplaceAll `b` `${0}$1x$$` `ab` }}", "ab$"),
        ("{{ graphLink `up == 1` }} {{ tableLink `a/2` }}",
         "/graph?g0.expr=up+%3D%3D+1&g0.tab=0 /graph?g0.expr=a%2F2&g0.tab=1"),
        ("{{ externalURL }} {{ pathPrefix }} {{ safeHtml `<a>` }}", "http://ext.example:9090/pre /pre <a>"),
        ("{{ parseDuration `1h30m` }} {{ now }} {{ now | toTime }}",
         "5400 1.435065584128e+09 2015-06-23 13:19:44.128 +0000 UTC"),
        ("{{ toDuration 90 }} {{ toDuration 0.0015 }} {{ toDuration -5400.5 }} {{ (toDuration 90).Minutes }}",
         "1m30s 1.5ms -1h30m0.5s 1.5"),
        ("{{ humanize `1e6` }} {{ humanizePercentage 0.1234 }} {{ humanizeDuration (toDuration 5) }}", "1M 12.34% 5s"),
        ('{{ (toTime 1435065584.128).Format "2006-01-02T15:04:05.000Z07:00 Mon Jan _2 3:04PM" }} {{ (toTime 0).Year }}',
         "2015-06-23T13:19:44.128Z Tue Jun 23 1:19PM 1970"),
    ],
)  # fmt: skip
def test_functions(text: str, expected: str) -> None:
    """Functions give what Go's and Prometheus's give."""
    assert expected == render(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("%d %5d|%-5d|%05d|%+d|% d", "42    42|42   |00042|+42| 42"),
        ("%x %X %#x %o %O %b %c %q %U", "2a 2A 0x2a 52 0o52 101010 * '*' U+002A"),
        ("%v %T %%", "42 int %"),
        ("%s %t %f", "%!s(int=42) %!t(int=42) %!f(int=42)"),
        ("%z %!", "%!z(int=42) %!!(int=42)"),
        ("%1000000000d", "%!(NOVERB)%!(EXTRA int=42)"),
        ("%[2]d %[9]d", "42 %!d(BADINDEX)"),
    ],
)
def test_printf_of_integers(text: str, expected: str) -> None:
    """printf follows Go's verbs, flags and complaints; the same integer is there as often as it is wanted."""
    wanted = 1 if "NOVERB" in expected else text.replace("%%", "").count("%")
    assert expected == render("{{ printf `" + text + "`" + " 42" * wanted + " }}")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("{{ printf `%.2f %6.1f|%-8.2e|%g %G %e` 1.005 99.55 1234.5 1e-10 1e20 0.0 }}",
         "1.00   99.5|1.23e+03|1e-10 1E+20 0.000000e+00"),
        ("{{ printf `%.0f %.0f %08.3f %+.1f %.3v %x` 2.5 3.5 -1.5 2.0 1.23456 1.5 }}",
         "2 4 -001.500 +2.0 1.23 0x1.8p+00"),
        ("{{ printf `%v %v %v` 1e6 1e21 123456789.0 }}", "1e+06 1e+21 1.23456789e+08"),
        ("{{ printf `%5s|%-5s|%.2s|%q|%x|%X|% x` `é` `b` `abc` `a\"b` `hi` `hi` `ab` }}",
         "    é|b    |ab|\"a\\\"b\"|6869|6869|61 62"),
        ("{{ printf `%+q %#q` `é` `a` }}", '"\\u00e9" `a`'),
        ("{{ printf `%t %v %5t|` true false true }}", "true false  true|"),
        ("{{ printf `%s %v %d` nil nil nil }}", "%!s(<nil>) <nil> %!d(<nil>)"),
        ("{{ printf `%d` `x` }} {{ printf `%d` }} {{ printf `%d %d` 1 }} {{ printf `a` 1 }} {{ printf `%` }}",
         "%!d(string=x) %!d(MISSING) 1 %!d(MISSING) a%!(EXTRA int=1) %!(NOVERB)"),
        ("{{ printf `%*d|%-*d|%.*f` 5 42 5 42 2 3.14159 }}", "   42|42   |3.14"),
        ("{{ printf `%[2]d %[1]d` 1 2 }}", "2 1"),
        ("{{ printf `%s %d` $externalLabels $externalLabels }}",
         "map[region:eu] map[%!d(string=region):%!d(string=eu)]"),
        ("{{ printf `%v` (query `5` | first) }}", "&{map[] 5}"),
    ],
)  # fmt: skip
def test_printf(text: str, expected: str) -> None:
    """printf follows Go for floats, strings, booleans, maps and what is missing or too much."""
    assert expected == render(text)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (0.0, "0 0 0s"), (1.0, "1 1 1s"), (1234567.0, "1.235M 1.177Mi 14d 6h 56m 7s"),
        (-0.0012, "-1.2m -0.0012 -1.2ms"), (1e30, "1e+06Y 8.272e+05Yi -"), (1e-30, "1e-06y 1e-30 1e-06ys"),
        (59.9999, "60 60 60s"), (3661.0, "3.661k 3.575ki 1h 1m 1s"), (-90061.5, "-90.06k -87.95ki -1d 1h 1m 1s"),
        (math.nan, "NaN NaN NaN"), (math.inf, "+Inf +Inf +Inf"), (-math.inf, "-Inf -Inf -Inf"),
    ],
)  # fmt: skip
def test_humanize(value: float, expected: str) -> None:
    """The humanize functions write numbers as Prometheus's do."""
    shown = [humanize(value), humanize_1024(value), "-" if value == 1e30 else humanize_duration(value)]
    assert expected == " ".join(shown)


def test_humanize_timestamp() -> None:
    """A timestamp is written as Go writes a time, to the millisecond."""
    written = [humanize_timestamp(value) for value in (0.0, 1435065584.128, -1.5, math.nan)]
    assert written == [
        "1970-01-01 00:00:00 +0000 UTC",
        "2015-06-23 13:19:44.128 +0000 UTC",
        "1969-12-31 23:59:58.5 +0000 UTC",
        "NaN",
    ]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("{{ nope }}", 'function "nope" not defined'),
        ("{{ $nope }}", 'undefined variable "$nope"'),
        ("{{ end }}", "unexpected {{end}}"),
        ("{{ if true }}", "unexpected EOF"),
        ("{{ if }}{{ end }}", "missing value for if"),
        ('{{ "abc }}', "unterminated quoted string"),
        ("{{ `abc }}", "unterminated raw quoted string"),
        ("{{ 1 | 2 }}", "non executable command in pipeline stage 2"),
        ("{{ ( 1 }}", "unclosed left paren"),
        ("{{ 1 ) }}", "unexpected right paren"),
        ("{{", "unclosed action"),
        ("{{ $x, $y := 1 }}", "too many declarations in command"),
        ("{{ break }}", "{{break}} outside {{range}}"),
        ("{{ 1a }}", 'bad number syntax: "1a"'),
        ("{{ 1 + 2 }}", 'illegal number syntax: "+"'),
        ("{{ if true }}{{ else }}{{ else }}{{ end }}", "expected end; found {{else}}"),
        ("{{/* x */ a}}", "comment ends before closing delimiter"),
        ('{{ "a".x }}', 'unexpected . after term "\\"a\\""'),
        ("{{ template nope }}", 'unexpected "nope" in template clause'),
        ('{{ define "x" }}{{ $labels }}{{ end }}', 'undefined variable "$labels"'),
        ("{{ 'ab' }}", "malformed character constant: 'ab'"),
        ("{{ # }}", 'unexpected "#" in command'),
        ("{{ .. }}", "unexpected <.> in operand"),
        ("{{ if 1 }}" * 60, "nested deeper than 50 levels"),
    ],
)
def test_what_does_not_parse(text: str, expected: str) -> None:
    """A template that does not parse is refused when it is made, in the words of text/template."""
    with pytest.raises(TemplateError) as caught:
        Template("t", text)
    assert f"template: t:1: {expected}" == str(caught.value)


def test_a_parse_error_tells_its_line() -> None:
    """The line of a mistake is told, and its place is known."""
    with pytest.raises(ParseError) as caught:
        Template("t", "a\nb {{ nope }}")
    assert ("template: t:2: ", 7) == (str(caught.value)[:15], caught.value.position)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("{{ .Nope }}", '1:3: executing "t" at <.Nope>: can\'t evaluate field Nope in type struct'),
        ("{{ $labels.a.b }}", '1:10: executing "t" at <$labels.a.b>: can\'t evaluate field b in type string'),
        ("x\n{{ len 5 }}", '2:3: executing "t" at <len 5>: error calling len: len of type int'),
        (
            "{{ eq $value 1 }}",
            '1:3: executing "t" at <eq $value 1>: error calling eq: incompatible types for comparison: ',
        ),
        ("{{ index $labels 1 }}", "error calling index: value has type int; should be string"),
        ("{{ range $value }}{{ end }}", "at <$value>: range can't iterate over 2.5"),
        ("{{ humanize `abc` }}", 'error calling humanize: strconv.ParseFloat: parsing "abc": invalid syntax'),
        ("{{ humanize $labels }}", "error calling humanize: can't convert map[string]string to float"),
        ("{{ toUpper 5 }}", "at <5>: expected string; found 5"),
        ("{{ toUpper $value }}", "at <$value>: wrong type for value; expected string; got float64"),
        ("{{ toUpper }}", "at <toUpper>: wrong number of args for toUpper: want 1 got 0"),
        ("{{ printf }}", "at <printf>: wrong number of args for printf: want at least 1 got 0"),
        ("{{ 5 6 }}", "at <5>: can't give argument to non-function 5"),
        ("{{ nil }}", "at <nil>: nil is not a command"),
        ("{{ query `none` | first }}", "at <first>: error calling first: first() called on vector with no elements"),
        ("{{ query `nope` }}", "error calling query: cannot answer nope"),
        ("{{ query `x[5m]` }}", "error calling query: rule result is not a vector or scalar"),
        ("{{ toTime 1e30 }}", "error calling toTime: 1e+30 cannot be represented as a nanoseconds timestamp"),
        ("{{ match `(` `` }}", "error calling match: error parsing regexp: missing closing ): `(`"),
        ('{{ template "nope" }}', 'at <{{template "nope"}}>: template "nope" not defined'),
        ("{{ 9999999999999999999 }}", "at <9999999999999999999>: 9999999999999999999 overflows int"),
    ],
)
def test_what_fails_when_rendered(text: str, expected: str) -> None:
    """A failure names the place in the template and the cause, in the words of text/template."""
    assert expected in failure(text)


@pytest.mark.parametrize(
    ("text", "spent"),
    [
        ("{{ range 10000000 }}{{ end }}", "more than 50000 steps"),
        ("{{ range 9999 }}{{ range 9999 }}{{ end }}{{ end }}", "more than 50000 steps"),
        ("{{ printf `%1000000d%1000000d` 1 1 }}", "more than 1048576 characters"),
        ("{{ $x := `abcdefgh` }}{{ range 99 }}{{ $x = print $x $x }}{{ end }}", "more than 1048576 characters"),
        ("{{ reReplaceAll `` (printf `%300000d` 1) `abcdef` }}", "more than 1048576 characters"),
        ("{{ $x := args 1 }}{{ range 19 }}{{ $x = args $x $x }}{{ end }}{{ $x }}", "more than 1048576 characters"),
        ("{{ $x := args 1 }}{{ range 99 }}{{ $x = args $x }}{{ end }}", "maps nested deeper than 20 levels"),
        ("{{ range 999 }}{{ query `5` }}{{ end }}", "more than 100 queries"),
        ('{{ define "d" }}{{ template "d" }}{{ end }}{{ template "d" }}', "exceeded maximum template depth (10)"),
    ],
)
def test_rendering_is_bounded(text: str, spent: str) -> None:
    """Steps, characters, queries and depth have an end, and what would pass it fails before it is made."""
    assert spent in failure(text)


def test_a_long_text_is_refused() -> None:
    """A template of more than 256 KiB is refused."""
    with pytest.raises(TemplateError, match="longer than 262144 characters"):
        Template("t", "{{" + " " * (1 << 18))


def test_without_an_engine_there_are_no_queries() -> None:
    """A template that queries where nothing can be asked fails as one."""
    with pytest.raises(TemplateError, match="no query engine available"):
        Template("t", "{{ query `x` }}").render(TemplateData(labels={}, value=1.0))


@given(st.dictionaries(st.sampled_from(["a", "b"]), st.text(max_size=5)), st.floats())
def test_the_short_way_gives_what_the_long_one_gives(labels: dict[str, str], value: float) -> None:
    """Templates with only labels and the value take a short cut; it leads to the same text."""
    data = TemplateData(labels=labels, value=value)
    assert render("x{{ (.Labels.a) }}{{ .Value }}{{ print $labels.b }}", data) == render(
        "x{{ $labels.a }}{{ $value }}{{- $labels.b }}", data
    )


_PIECES = [
    "{{", "}}", "{{- ", " -}}", "if ", "else ", "end", "range ", "with ", "define `d`", "template `d`", "break",
    "$x := ", "$value ", "$labels.a ", ".", ".Value ", "| ", "(", ")", "1 ", "1.5 ", '"s" ', "`r` ", "'c' ", "nil ",
    "print ", "printf ", "len ", "index ", "query `x` ", "first ", "args ", "and ", "eq ", "/* ", "*/", " ", "\n", ",",
    "=", "é", "%",
]  # fmt: skip


@given(
    st.lists(st.sampled_from(_PIECES), max_size=30).map("".join)
    | st.text(max_size=60).map(lambda inner: "{{ " + inner + " }}")
)
def test_any_text_renders_or_is_a_template_error(text: str) -> None:
    """Whatever is written, a template renders to a text or raises TemplateError; nothing else."""
    assert outcome(text) in ("text", "error")


def outcome(text: str) -> str:
    try:
        return "text" if isinstance(render(text), str) else "neither"
    except TemplateError as error:
        return "error" if 0 <= error.position <= len(text) else "misplaced error"


def test_every_function_of_prometheus_is_there() -> None:
    """What Prometheus's documentation lists, and what Go brings along, can be called."""
    listed = """args externalURL first graphLink humanize humanize1024 humanizeDuration humanizePercentage
        humanizeTimestamp label match now parseDuration pathPrefix query reReplaceAll safeHtml sortByLabel stripDomain
        stripPort strvalue tableLink title toDuration toLower toTime toUpper urlQueryEscape value
        and call eq ge gt html index js le len lt ne not or print printf println slice urlquery"""
    assert set(listed.split()) == set(FUNCTIONS)
