"""Tokens are kept as hashes and compared whole."""

from __future__ import annotations

from common.secrets import Secret, Url, holder_of, redacted, token_hash


def test_a_token_is_found_by_its_hash() -> None:
    """The holder of a token is the name beside its hash; a wrong or empty token has none."""
    hashes = [("web1", token_hash("one")), ("web2", token_hash("two"))]
    assert ["web1", "web2", None, None] == [holder_of(token, hashes) for token in ("one", "two", "three", "")]


def test_a_secret_does_not_show_itself() -> None:
    """Formatting, printing and comparing leave it hidden."""
    secret = Secret("s3cret")
    assert "<secret> <secret>" == f"{secret} {secret!r}"
    assert (True, False, False) == (secret == Secret("s3cret"), secret == Secret("x"), bool(Secret("")))


def test_an_address_shows_no_password() -> None:
    """The password of a URL is hidden where it is shown, and is there for who asks the server."""
    url = Url("https://me:p:w@host:1/x?y=a@b")
    assert ("https://me:<secret>@host:1/x?y=a@b", "https://me:p:w@host:1/x?y=a@b") == (url.redacted, str(url))
    assert "'https://me:<secret>@host:1/x?y=a@b'" == repr(url)
    assert ["http://host/a:b@c", "http://me@host/"] == [
        redacted(text) for text in ("http://host/a:b@c", "http://me@host/")
    ]
