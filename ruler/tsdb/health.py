"""What became of the files of a database: counts for its metrics; and the one place that sets damage aside."""

from __future__ import annotations

import contextlib
import logging
from dataclasses import dataclass
from pathlib import Path

from common.logs import facts
from ruler.tsdb.files.salvage import Damage

log = logging.getLogger("tsdb")

MAX_ASIDE = 64 << 20  # bytes of one damaged file that are set aside


@dataclass(slots=True)
class Health:
    """Health is what became of the files: `degraded` while new samples live in memory alone."""

    degraded: bool = False
    write_errors: int = 0
    sync_errors: int = 0
    corrupt_files: int = 0
    damaged_rows: int = 0
    damaged_columns: int = 0
    damaged_blocks: int = 0
    unfinished_rows: int = 0
    dropped_bytes: int = 0  # of samples that were kept in memory and became too many

    def damaged(self, path: Path | None, problem: str, damage: bytes = b"") -> None:
        """Report damage of a part of a file; the bytes in question are kept beside it as *.corrupt."""
        self.damaged_blocks += 1
        self._kept(path, damage)
        log.warning("a file is damaged in part; the rest of it is kept", extra=facts(file=path, problem=problem))

    def page(self, path: Path, damage: Damage) -> None:
        """Report what had to be left out of a page; it keeps the bytes itself."""
        self.unfinished_rows += damage.unfinished
        if damage.rows or damage.columns or damage.records or damage.cut_short:
            self.corrupt_files += damage.cut_short
            self.damaged_rows += damage.rows
            self.damaged_columns += damage.columns
            self.damaged_blocks += damage.records
            lost = facts(file=path, rows=damage.rows, columns=damage.columns)
            log.warning("a page is damaged in part; the rest of it is kept", extra=lost)

    def corrupt(self, path: Path, problem: str) -> None:
        """Set a file aside whole."""
        self.corrupt_files += 1
        log.warning("a file cannot be read and is set aside", extra=facts(file=path, problem=problem))
        with contextlib.suppress(OSError):
            path.rename(path.with_name(f"{path.name}.corrupt"))

    def _kept(self, path: Path | None, damage: bytes) -> None:
        if path is None or not damage:
            return
        aside = path.with_name(f"{path.name}.corrupt")
        with contextlib.suppress(OSError):
            if not aside.exists() or aside.stat().st_size < MAX_ASIDE:
                with aside.open("ab") as file:
                    file.write(damage)
