"""file_sd: files are read when they change; what is wrong with one keeps its targets, and only its."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from common.errors import DiscoveryError
from ruler.scrape.config import FileDiscovery
from ruler.scrape.discovery import groups
from ruler.scrape.discovery.files import FileDiscoverer
from ruler.scrape.discovery.metrics import DiscoveryMetrics


@dataclass
class Folder:
    """A Folder is watched; each write is later than the one before."""

    path: Path
    patterns: tuple[str, ...] = ("*.json", "*.yml")
    registry: CollectorRegistry = field(default_factory=CollectorRegistry)
    time: int = 1_700_000_000

    def __post_init__(self) -> None:
        settings = FileDiscovery(files=tuple(f"{self.path}/{pattern}" for pattern in self.patterns))
        self.discoverer = FileDiscoverer(settings, DiscoveryMetrics(self.registry), ThreadPoolExecutor(1))

    def write(self, name: str, text: str) -> Path:
        file = self.path / name
        file.write_text(text)
        self.time += 1
        os.utime(file, (self.time, self.time))
        return file

    def addresses(self) -> list[str]:
        return [target["__address__"] for target in self.discoverer.look()]

    def metric(self, name: str, **labels: str) -> float | None:
        return self.registry.get_sample_value(f"prometheus_sd_file_{name}", labels)


def test_targets_come_in_the_order_of_the_names_of_files(tmp_path: Path) -> None:
    """JSON and YAML give the same, a hidden file counts, and the name of the file outranks what the file says."""
    folder = Folder(tmp_path)
    folder.write("b.json", '[{"targets": ["b:1", "b:2"], "labels": {"x": "y", "__meta_filepath": "theirs"}}]')
    folder.write("a.yml", "- {targets: ['a:1'], labels: {__address__: theirs}}")
    hidden = folder.write(".h.yml", "- {targets: ['h:1']}")
    folder.write("other.txt", "- {targets: ['o:1']}")
    assert ["h:1", "a:1", "b:1", "b:2"] == folder.addresses()
    assert str(hidden) == folder.discoverer.look()[0]["__meta_filepath"]
    assert str(tmp_path / "b.json") == folder.discoverer.look()[3]["__meta_filepath"]


def test_a_file_is_read_only_when_it_has_changed(tmp_path: Path) -> None:
    """What has not changed gives the same objects, and its time is in a metric until it is gone."""
    folder = Folder(tmp_path)
    file = folder.write("a.json", '[{"targets": ["a:1"]}]')
    (first,) = folder.discoverer.look()
    assert first is folder.discoverer.look()[0]
    assert 1_700_000_001 == folder.metric("mtime_seconds", filename=str(file))
    folder.write("a.json", '[{"targets": ["a:2"]}]')
    assert ["a:2"] == folder.addresses()
    file.unlink()
    assert [] == folder.addresses()
    assert None is folder.metric("mtime_seconds", filename=str(file))
    assert 4 == folder.metric("scan_duration_seconds_count")


@pytest.mark.parametrize("text", ["[{", '{"targets": []}', "[null]", '[{"targets": [1]}]', '[{"target": ["a"]}]'])
def test_a_bad_file_keeps_its_targets(tmp_path: Path, text: str) -> None:
    """Other files go on; a file that was bad from the start has none."""
    folder = Folder(tmp_path)
    folder.write("a.json", '[{"targets": ["a:1"]}]')
    folder.write("b.json", '[{"targets": ["b:1"]}]')
    assert ["a:1", "b:1"] == folder.addresses()
    folder.write("a.json", text)
    folder.write("b.json", '[{"targets": ["b:2"]}]')
    folder.write("c.json", text)
    assert ["a:1", "b:2"] == folder.addresses()
    assert 2 == folder.metric("read_errors_total")


def test_a_folder_with_the_name_of_a_file_is_no_file(tmp_path: Path) -> None:
    """What cannot be read is one error, and ends nothing."""
    (tmp_path / "x.json").mkdir()
    (tmp_path / "y.yml").symlink_to(tmp_path / "nowhere.yml")
    folder = Folder(tmp_path)
    folder.write("z.yml", "- targets: ['z:1']")
    assert ["z:1"] == folder.addresses()
    assert 2 == folder.metric("read_errors_total")


def test_a_file_that_is_not_utf_8_is_an_error(tmp_path: Path) -> None:
    """Bytes that are no text are said, not raised."""
    folder = Folder(tmp_path)
    for name in ("a.json", "a.yml"):
        (tmp_path / name).write_bytes(b'[{"targets": ["\xff:1"]}]')
    assert [] == folder.addresses()
    assert 2 == folder.metric("read_errors_total")


def test_too_many_targets_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One source has a bound, in one file and over all of them."""
    monkeypatch.setattr(groups, "MAX_TARGETS", 2)
    folder = Folder(tmp_path)
    folder.write("a.yml", "- targets: [a, b]")
    assert ["a", "b"] == folder.addresses()
    folder.write("b.yml", "- targets: [a, b, c]")
    assert ["a", "b"] == folder.addresses()
    folder.write("b.yml", "- targets: [c]")
    with pytest.raises(DiscoveryError, match="more than 2 targets: 3"):
        folder.discoverer.look()
