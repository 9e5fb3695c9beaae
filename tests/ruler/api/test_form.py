"""Parameters are read as forms are written, and never without end."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote_to_bytes, urlencode

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from common.serving import Scope
from ruler.api.errors import BadRequest
from ruler.api.form import MAX_BODY_BYTES, MAX_PARAMETERS, Disconnected, Form, TooLarge, body_form, read_body, url_form
from ruler.kernels.text.forms import milliseconds

TEXTS = st.text(st.characters(codec="utf-8"), max_size=20)


def scope_of(query: bytes = b"", media: str = "") -> Scope:
    return {"query_string": query, "headers": [(b"content-type", media.encode())]}


@given(st.dictionaries(TEXTS.filter(bool), st.lists(TEXTS, min_size=1, max_size=3), max_size=4))
def test_what_was_written_is_read(values: Mapping[str, list[str]]) -> None:
    """Any text, any number of times, from the URL and from a body."""
    encoded = urlencode(values, doseq=True).encode()
    for form in (url_form(scope_of(encoded)), body_form(scope_of(b"", "application/x-www-form-urlencoded"), encoded)):
        assert dict(values) == {name: form.getlist(name) for name in values}


@given(st.text("a%2Ff+&=gé", max_size=14).map(str.encode))
@example(b"+=%2B&%41%4=%&&=&a")
def test_bytes_are_resolved_as_by_the_library(encoded: bytes) -> None:
    """What is no escape is itself; a sign of an escape that was escaped is none."""
    wanted: dict[str, list[str]] = {}
    try:
        for part in filter(None, encoded.split(b"&")):
            name, _, value = part.replace(b"+", b" ").partition(b"=")
            wanted.setdefault(unquote_to_bytes(name).decode(), []).append(unquote_to_bytes(value).decode())
    except UnicodeDecodeError:
        with pytest.raises(BadRequest, match="UTF-8"):
            Form(encoded)
    else:
        assert wanted == Form(encoded).values


@given(st.from_regex(r"[0-9]{0,12}\.?[0-9]{0,5}[e+_ ]?", fullmatch=True))
@example("1763727000.123")
@example("0.0005")
def test_seconds_are_milliseconds(text: str) -> None:
    """Those in plain digits, to the last; who writes them otherwise is understood elsewhere."""
    found = milliseconds(text)
    if found is None:
        assert not re.fullmatch(r"[0-9]{1,10}(\.[0-9]{0,3})?", text)
    else:
        assert round(float(text) * 1000) == found


def test_the_body_comes_before_the_url() -> None:
    """As in Go; other kinds of bodies are none of a form's business."""
    form = body_form(scope_of(b"a=2&b=3", "application/x-www-form-urlencoded; charset=utf-8"), b"a=1")
    assert (["1", "2"], ["3"]) == (form.getlist("a"), form.getlist("b"))
    assert ["2"] == body_form(scope_of(b"a=2", "text/plain"), b"a=1").getlist("a")


def test_a_multipart_form_is_a_form() -> None:
    """curl -F sends one."""
    body = b'--x\r\nContent-Disposition: form-data; name="query"\r\n\r\nup == 1\r\n--x--\r\n'
    assert "up == 1" == body_form(scope_of(b"", "multipart/form-data; boundary=x"), body).get("query")


def test_a_parameter_has_one_value() -> None:
    """Two that are the same are one; whoever checks one and runs the other is not led astray."""
    form = url_form(scope_of(b"a=1&a=1&b=1&b=2&c="))
    assert ("1", "", "7") == (form.get("a"), form.get("c"), form.get("d", "7"))
    with pytest.raises(BadRequest, match='invalid parameter "b": given more than once'):
        form.get("b")


@pytest.mark.parametrize("encoded", [b"query=up%FF", b"query=%C3", b"query=\xff"])
def test_what_is_not_utf8_is_refused(encoded: bytes) -> None:
    """With the place in the parameter."""
    with pytest.raises(BadRequest, match=r'invalid parameter "query": 1:\d: parse error: invalid UTF-8 rune'):
        url_form(scope_of(encoded))


def test_parameters_are_counted() -> None:
    """A million of them cost no more than a thousand."""
    url_form(scope_of(b"&".join([b"a=1"] * MAX_PARAMETERS)))
    with pytest.raises(BadRequest, match=f"more than {MAX_PARAMETERS} parameters"):
        url_form(scope_of(b"&".join([b"a=1"] * (MAX_PARAMETERS + 1))))


def body_of(*messages: dict[str, Any]) -> bytes:
    left = list(messages)

    async def receive() -> dict[str, Any]:
        return left.pop(0)

    return asyncio.run(read_body(receive))


def test_a_body_is_read_to_its_end() -> None:
    """Unless it is too large, or its sender leaves."""
    part = {"type": "http.request", "body": b"ab", "more_body": True}
    assert b"ababc" == body_of(part, part, {"type": "http.request", "body": b"c"})
    with pytest.raises(TooLarge):
        body_of({"type": "http.request", "body": b"x" * (MAX_BODY_BYTES + 1), "more_body": True})
    with pytest.raises(Disconnected):
        body_of(part, {"type": "http.disconnect"})
