"""A new file of state in the place of one that cannot be gone on with.

It is written beside (`*.new`), synced and renamed; what it replaces is kept. Whenever the process ends, `finish` goes
on from there: a new file that is whole has everything, so nothing rests on the old one any more.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ruler.database.look import Found, connected, log_of, look
from ruler.database.pages import PAGE
from ruler.database.rows import Change
from ruler.database.transaction import apply, create
from ruler.files import sync

WAIT_SECONDS = 1.0


def replace(path: Path, changes: Sequence[Change], ending: str) -> None:
    """Put a file with these rows in place, and keep the old one under its name and `ending` (empty: not at all).

    Raises SQLAlchemyError or OSError.
    """
    new = _beside(path)
    new.unlink(missing_ok=True)
    engine = connected(str(new), WAIT_SECONDS)
    try:
        with engine.connect() as connection:
            for pragma in (f"page_size={PAGE}", "journal_mode=MEMORY", "synchronous=FULL", "secure_delete=ON"):
                connection.exec_driver_sql(f"PRAGMA {pragma}")
            connection.exec_driver_sql("BEGIN")
            create(connection)
            apply(connection, changes)
            connection.commit()
    finally:
        engine.dispose()
    _take_place(path, ending)


def finish(path: Path) -> None:
    """Go on with a replacement that the end of a process interrupted."""
    new = _beside(path)
    if not new.exists():
        return
    found = look(new)
    if found is None or not found.fit:
        new.unlink()
        return
    before = look(path)
    _take_place(path, "" if before is None else ending_of(before))


def ending_of(found: Found) -> str:
    """What the name of a file that is replaced ends with."""
    return "corrupt" if found.damage else "old"


def _take_place(path: Path, ending: str) -> None:
    log = log_of(path)
    sync(path.parent)
    if ending and path.exists():
        kept = path.with_name(f"{path.name}.{ending}")
        log_of(kept).unlink(missing_ok=True)
        if log.exists() and log.stat().st_size:
            log.replace(log_of(kept))
        path.replace(kept)
    log.unlink(missing_ok=True)  # SQLite would apply it to the new file
    _beside(path).replace(path)
    sync(path.parent)


def _beside(path: Path) -> Path:
    return path.with_name(f"{path.name}.new")
