"""Whether the files of a config have changed: a digest of what they hold, not of when they were touched.

Patterns are those of the config in force: where others come into it, the file that names them has changed, too.
"""

from __future__ import annotations

import glob
import hashlib
from collections.abc import Iterable
from pathlib import Path

from common.config import MAX_BYTES


def digest_of(patterns: Iterable[str]) -> bytes:
    """The digest of all files that these absolute patterns name now, with their names; one that is gone counts, too."""
    digest = hashlib.blake2b(digest_size=16)
    for pattern in patterns:
        for name in sorted(glob.glob(pattern)):  # noqa: PTH207  (absolute patterns and plain names alike)
            digest.update(name.encode(errors="surrogateescape") + b"\0" + _content(name))
    return digest.digest()


def _content(name: str) -> bytes:
    try:
        with Path(name).open("rb") as file:
            content = hashlib.blake2b(file.read(MAX_BYTES + 1), digest_size=16)
    except OSError as error:
        return type(error).__name__.encode()
    return content.digest()
