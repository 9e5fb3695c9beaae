"""Tokens: who may push."""

from __future__ import annotations

from pathlib import Path

import pytest

from common.errors import ConfigError
from common.secrets import token_hash
from receiver.tokens import Tokens, load_tokens, new_token


def test_a_named_token_belongs_to_its_name() -> None:
    """`name=token` gives the name, and any other token gives nobody."""
    tokens = load_tokens("web-1=secret, web-2=other")
    assert ("web-1", "web-2", None) == tuple(map(tokens.holder, ("secret", "other", "Secret")))


@pytest.mark.parametrize("token", ["bare", "YmFzZTY0=", "YmFzZTY0=="])
def test_a_bare_token_is_named_after_its_hash(token: str) -> None:
    """A token without a name gets one that is stable and tells nothing of the token; base64's padding is no name."""
    assert f"token-{token_hash(token)[:8]}" == load_tokens(token).holder(token)


def test_a_hashed_entry_accepts_the_token_and_not_the_hash() -> None:
    """A file may keep hashes alone: the token opens, its hash does not."""
    tokens = load_tokens(f"web-1=sha256:{token_hash('secret')}")
    assert ("web-1", None) == (tokens.holder("secret"), tokens.holder(token_hash("secret")))


def test_a_new_token_is_long_random_and_opened_by_its_line() -> None:
    """Two new tokens differ, have at least 128 bits, and their lines hold no token."""
    (first, line), (second, _) = new_token("web-1"), new_token("web-1")
    assert "web-1" == load_tokens(line).holder(first)
    assert first != second
    assert 128 <= 4 * len(first)
    assert first not in line


def test_a_file_has_one_entry_a_line(tmp_path: Path) -> None:
    """Comments and empty lines are skipped, and the environment's tokens join the file's."""
    file = tmp_path / "tokens"
    file.write_text("# who may push\n\nweb-1=secret\n  web-2=other  \n")
    tokens = load_tokens("web-3=third", file)
    assert ("web-1", "web-2", "web-3") == tuple(map(tokens.holder, ("secret", "other", "third")))


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("a b=hidden", "not a name for a token (letters, digits and _.:@- only, up to 128): 'a b'"),
        ("web=sha256:hidden", "not a hashed token: after `sha256:` come 64 lower-case hex digits"),
        ("web=hid den", "a token has no spaces and no control characters"),
        ("other=first", "the same token is given to 'web' and 'other'"),
    ],
)
def test_a_bad_line_is_named_by_number_and_not_shown(tmp_path: Path, line: str, problem: str) -> None:
    """An error says where and what, and never the token."""
    file = tmp_path / "tokens"
    file.write_text(f"web=first\n{line}\n")
    with pytest.raises(ConfigError) as raised:
        load_tokens(file=file)
    assert f"{file}:2: {problem}" == str(raised.value)
    assert "hidden" not in str(raised.value)


def test_an_unreadable_file_is_one_line(tmp_path: Path) -> None:
    """A missing file names itself."""
    with pytest.raises(ConfigError) as raised:
        load_tokens(file=tmp_path / "absent")
    assert f"{tmp_path / 'absent'}: cannot be read: No such file or directory" == str(raised.value)


def test_tokens_do_not_show_themselves() -> None:
    """What is printed or logged of Tokens holds neither tokens nor hashes."""
    assert ("Tokens()", 0) == (repr(load_tokens("web-1=secret")), len(Tokens()))
