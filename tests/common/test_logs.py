"""Log lines follow the peers' formats and cannot be forged by what they carry."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator

import pytest

from common.logs import configure, facts


@pytest.fixture(autouse=True)
def root_logger() -> Iterator[None]:
    root = logging.getLogger()
    before, level = list(root.handlers), root.level
    yield
    root.handlers[:] = before
    root.setLevel(level)


def test_logfmt_quotes_what_needs_it() -> None:
    """A line end, a quote or a space in a value stays inside its quotes: one event, one line."""
    stream = io.StringIO()
    configure("info", "logfmt", stream)
    logging.getLogger("scrape").warning("went wrong", extra=facts(target="http://x/", error='a "b"\nlevel=FORGED'))
    logging.getLogger("scrape").debug("not shown")
    [line] = stream.getvalue().splitlines()
    assert line.endswith('level=WARN source=scrape msg="went wrong" target=http://x/ error="a \\"b\\"\\nlevel=FORGED"')
    assert line.startswith("time=2")


def test_json_is_one_object_a_line() -> None:
    """Facts become keys; an exception brings its trace."""
    stream = io.StringIO()
    configure("debug", "json", stream)
    try:
        msg = "boom"
        raise ValueError(msg)
    except ValueError:
        logging.getLogger("x").exception("caught", extra=facts(n=1))
    read = json.loads(stream.getvalue())
    assert ("ERROR", "caught", "1", "ValueError('boom')") == (read["level"], read["msg"], read["n"], read["error"])
    assert "Traceback" in read["trace"]
