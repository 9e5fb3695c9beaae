"""How long the parser takes to read or refuse a text, for texts that are made to be hard."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator

from common.errors import ParseError
from ruler.promql.parser import parse

KIB, MIB = 1 << 10, 1 << 20
TIMES, ENOUGH = 3, 1.0  # and then no more, in seconds
GARBAGE = "{[(+-*/=!~<>\"'`\\@#:;,.0x1e5s$%&|^abc\x00\tü"
BARS = {16 * KIB: 5.0, MIB: 50.0}  # ms


def _filled(part: str, size: int) -> str:
    return part * (size // len(part.encode()))


def _texts(size: int) -> dict[str, str]:
    """Texts of about so many bytes, by what they are."""
    labels = ",".join(f'label_{n}="value {n}"' for n in range(size // 28))
    words = "|".join(f"word-{n}" for n in range(size // 12))
    return {
        "dense garbage": _filled(GARBAGE, size),
        "garbage, operators": _filled("+-*/%^", size),
        "garbage, letters": _filled("a ", size),
        "bytes that are no letters": _filled("é", size),
        "1+1+…": _filled("1+", size - 1) + "1",
        "a+a+…": _filled("a + ", size - 4) + "a",
        "a and on (b) …": _filled("a and on (b) ", size - 13) + "a",
        "2^2^…": _filled("2^", size - 1) + "2",
        "parentheses open": "(" * size,
        "parentheses, closed": "(" * (size // 2) + "1" + ")" * (size // 2 - 1),
        "unary minus": "-" * (size - 1) + "1",
        "calls in calls": _filled("abs(", size // 5 * 4) + "a" + ")" * (size // 5 - 1),
        "aggregations": _filled("sum by (a) (", size),
        "one string": '"' + "x" * (size - 2) + '"',
        "one string of escapes": '"' + _filled("\\u00fc", size - 2) + '"',
        "one string, raw": "`" + "x" * (size - 2) + "`",
        "a string without an end": '"' + "x" * (size - 1),
        "escapes without an end": '"' + _filled('\\"', size - 1),
        "many strings": _filled('"a" ', size),
        "many labels": "a{" + labels + "}",
        "grouped by many": "sum by (" + ",".join(f"l{n}" for n in range(size // 8)) + ") (a)",
        "an alternation": 'a{b=~"' + words + '"}',
        "a hard expression": 'a{b=~"' + _filled("(a*)*", size - 20) + '"}',
        "repeats in an expression": 'a{b=~"' + _filled("((a{2}){2})", size - 20) + '"}',
        "a long name": "a" * size,
        "a long number": "1" * size,
        "a long duration": "a[" + _filled("1h1m", size - 3) + "]",
        "braces open": "{" * size,
        "brackets open": "a" + "[" * (size - 1),
        "subqueries": "a" + _filled("[5m:1m]", size - 1),
        "offsets": "a" + _filled(" offset 5m", size - 1),
        "a comment": "#" + "x" * (size - 1),
        "many comments": _filled("#\n", size - 1) + "1",
        "spaces": " " * (size - 1) + "1",
        "lines": "\n" * (size - 1) + "1 +",
        "many arguments": "label_join(" + _filled("a,", size - 12) + "a)",
        "comparisons": _filled("a == bool ", size - 10) + "a",
        "NUL": "\x00" * size,
    }


def measure() -> Iterator[str]:
    """The worst for each size, and every text that takes more than a fifth of what it may."""
    for size, bar in BARS.items():
        took = {name: _least(text) for name, text in _texts(size).items()}
        worst = max(took, key=took.__getitem__)
        yield f"texts of {size // KIB:,} KiB, read or refused: worst {took[worst]:.2f} ms ({worst}), bar {bar:g} ms"
        slow = sorted((name for name in took if took[name] > bar / 5), key=took.__getitem__, reverse=True)
        for name in slow:
            yield f"    {name}: {took[name]:.2f} ms"


def _least(text: str) -> float:
    """The least time (ms) of some."""
    least = float("inf")
    for _ in range(TIMES):
        began = time.perf_counter()
        with contextlib.suppress(ParseError):
            parse(text)
        least = min(least, time.perf_counter() - began)
        if least > ENOUGH:
            break
    return least * 1000


if __name__ == "__main__":
    for line in measure():
        print(line)
