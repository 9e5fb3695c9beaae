"""Tokens are kept as hashes and compared whole."""

from __future__ import annotations

from common.secrets import Secret, holder_of, token_hash


def test_a_token_is_found_by_its_hash() -> None:
    """The holder of a token is the name beside its hash; a wrong or empty token has none."""
    hashes = [("web1", token_hash("one")), ("web2", token_hash("two"))]
    assert ["web1", "web2", None, None] == [holder_of(token, hashes) for token in ("one", "two", "three", "")]


def test_a_secret_does_not_show_itself() -> None:
    """Formatting, printing and comparing leave it hidden."""
    secret = Secret("s3cret")
    assert "<secret> <secret>" == f"{secret} {secret!r}"
    assert (True, False, False) == (secret == Secret("s3cret"), secret == Secret("x"), bool(Secret("")))
