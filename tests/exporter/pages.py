"""Pages of metrics as values that can be compared, and a fake host to read them from."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from common.clock import ManualClock
from common.exposition import Family, write_text
from common.labels import Labels
from common.textformat import Help, Sample, Type, parse_page
from exporter.host import Host

FIXTURES = Path(__file__).parent / "fixtures"
NOW = 1_700_000_100_000


@dataclass(frozen=True)
class Page:
    """A Page is what a page of metrics says, whatever the order and the spelling of its numbers."""

    types: dict[str, str]
    helps: dict[str, str]
    values: dict[Labels, float]

    def of(self, prefix: str) -> dict[str, float]:
        """The series whose names begin with `prefix`, as text."""
        return {str(labels): value for labels, value in self.values.items() if labels["__name__"].startswith(prefix)}


def read(page: bytes) -> Page:
    """The Page in text; a series that comes twice is a fault of the page."""
    types, helps, values = {}, {}, {}
    for entry in parse_page(page):
        if isinstance(entry, Sample):
            labels = Labels(entry.labels)
            assert labels not in values, f"{labels} comes twice"
            values[labels] = entry.value
        elif isinstance(entry, Type):
            assert entry.metric not in types, f"{entry.metric} has two TYPE lines"
            types[entry.metric] = entry.type.value
        elif isinstance(entry, Help):
            helps[entry.metric] = entry.text
    return Page(types, helps, values)


def page_of(families: Iterable[Family]) -> Page:
    """The Page that these families are written as; those without rows are not."""
    return read(write_text([family for family in families if family.rows]))


def fake_host(directory: Path) -> Host:
    """The fixtures as a host, in a copy whose files are of a known age; `directory` becomes the current one."""
    shutil.copytree(FIXTURES, directory, dirs_exist_ok=True)
    for file in (directory / "textfile").iterdir():
        os.utime(file, (1_699_999_000, 1_699_999_000))
    os.chdir(directory)
    return Host("proc", "sys", "/", "udev", ManualClock(NOW))
