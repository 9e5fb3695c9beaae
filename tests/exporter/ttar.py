"""Unpacking of ttar archives, the text form in which the peer keeps a tree of files with its links."""

from __future__ import annotations

from pathlib import Path


def unpack(archive: Path, directory: Path) -> None:
    """Make the tree that `archive` holds below `directory`."""
    path = directory
    lines = iter(archive.read_text(encoding="utf-8").splitlines())
    for line in lines:
        key, _, value = line.partition(": ")
        if key == "Directory":
            (directory / value).mkdir(parents=True, exist_ok=True)
        elif key == "Path":
            path = directory / value
            path.parent.mkdir(parents=True, exist_ok=True)
        elif key == "SymlinkTo":
            path.symlink_to(value)
        elif key == "Lines":
            text = "".join(f"{next(lines)}\n" for _ in range(int(value)))
            path.write_text(_plain(text), encoding="utf-8")


def _plain(text: str) -> str:
    """Content without the marks that ttar puts in: NULLBYTE for a zero byte, EOF where the last line has no end."""
    return text.replace("NULLBYTE", "\0").replace("EOF\n", "")
