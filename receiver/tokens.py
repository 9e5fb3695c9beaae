"""API tokens: who may push, and under which name. Only hashes are kept, in memory as in files.

An entry is `name=token` or a bare `token`, where the token may be written as `sha256:<64 hex digits>`. The name becomes
the label `server` of all that is pushed with the token.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from common.errors import ConfigError
from common.secrets import holder_of, token_hash

RANDOM_BYTES = 24
MAX_FILE_BYTES = 1 << 20

_NAME = re.compile(r"[A-Za-z0-9_.:@-]{1,128}\Z")
_HASHED = re.compile(r"sha256:([0-9a-f]{64})\Z")


@dataclass(frozen=True, slots=True)
class Tokens:
    """Tokens are the names that may push, each with the hash of its token."""

    holders: tuple[tuple[str, str], ...] = field(default=(), repr=False)

    def holder(self, token: str) -> str | None:
        """The name that `token` belongs to, or None; takes the same time for every token."""
        return holder_of(token, self.holders)

    def __len__(self) -> int:
        return len(self.holders)


def new_token(name: str) -> tuple[str, str]:
    """A new random token for `name`, and the line that keeps its hash: (shown once, written to a tokens file)."""
    token = secrets.token_hex(RANDOM_BYTES)
    return token, f"{name}=sha256:{token_hash(token)}"


def load_tokens(environment: str = "", file: Path | None = None) -> Tokens:
    """The tokens of a comma-separated text (TOCSIN_API_TOKENS) and of a file with one a line; raises ConfigError."""
    entries = [("TOCSIN_API_TOKENS", 0, entry.strip()) for entry in environment.split(",")]
    if file is not None:
        entries += [(str(file), number, line.strip()) for number, line in enumerate(_lines(file), 1)]
    return _parse((place, number, entry) for place, number, entry in entries if entry and not entry.startswith("#"))


def _parse(entries: Iterable[tuple[str, int, str]]) -> Tokens:
    holders: dict[str, str] = {}  # hash → name
    for place, number, entry in entries:
        try:
            name, hashed = _entry(entry)
            if holders.setdefault(hashed, name) != name:
                raise ValueError(f"the same token is given to {holders[hashed]!r} and {name!r}")
        except ValueError as error:
            raise ConfigError(str(error), file=place, line=number) from None
    return Tokens(tuple((name, hashed) for hashed, name in holders.items()))


def _entry(entry: str) -> tuple[str, str]:
    """(name, hash) of one entry; its errors never show the token."""
    name, equals, token = entry.partition("=")
    if not equals or not token.strip("="):  # a bare token; base64 ends in `=`
        name, token = "", entry
    hashed = _hashed(token)
    if not name:
        return f"token-{hashed[:8]}", hashed
    if not _NAME.match(name):
        raise ValueError(f"not a name for a token (letters, digits and _.:@- only, up to 128): {name[:20]!r}")
    return name, hashed


def _hashed(token: str) -> str:
    if match := _HASHED.match(token):
        return match[1]
    if token.startswith("sha256:"):
        raise ValueError("not a hashed token: after `sha256:` come 64 lower-case hex digits")
    if any(char.isspace() or not char.isprintable() for char in token):
        raise ValueError("a token has no spaces and no control characters")
    return token_hash(token)


def _lines(file: Path) -> list[str]:
    try:
        with file.open("rb") as opened:
            content = opened.read(MAX_FILE_BYTES + 1)
        if len(content) > MAX_FILE_BYTES:
            raise ConfigError(f"larger than {MAX_FILE_BYTES} bytes", file=str(file))
        return content.decode().splitlines()
    except OSError as error:
        raise ConfigError(f"cannot be read: {error.strerror}", file=str(file)) from None
    except UnicodeDecodeError:
        raise ConfigError("not UTF-8 text", file=str(file)) from None
