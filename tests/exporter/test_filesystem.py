"""Filesystems: mounts are read as the kernel writes them, and one that hangs or fails costs the others nothing."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from exporter.collectors import filesystem
from exporter.collectors.filesystem import Filesystem, Mount, in_words, parse_mountinfo, sizes_of, unescaped
from exporter.crew import Overrun
from exporter.host import Host
from exporter.settings import ExporterSettings
from tests.exporter.pages import FIXTURES, page_of

MOUNTINFO = (FIXTURES / "proc/1/mountinfo").read_text()


def host_with(directory: Path, mountinfo: str) -> ExporterSettings:
    """ExporterSettings of a host with these mounts."""
    (directory / "1").mkdir()
    (directory / "1/mountinfo").write_text(mountinfo)
    return ExporterSettings(host=Host(proc=str(directory)))


def test_mounts() -> None:
    """Device, place, type and number; read-only by its own options or by those of what is mounted."""
    mounts = {mount.point: mount for mount in parse_mountinfo(MOUNTINFO)}
    assert Mount("/dev/sda1", "/", "ext4", "8", "1", read_only=False) == mounts["/"]
    assert Mount("/dev/sda2", "/srv/with space", "xfs", "8", "2", read_only=True) == mounts["/srv/with space"]
    assert mounts["/srv/backup"].read_only
    assert not mounts["/mnt/nas"].read_only


@pytest.mark.parametrize(
    ("point", "expected"),
    [("/host", "/"), ("/host/media/a", "/media/a"), ("/hostile", "/hostile"), ("/dev/shm", "/dev/shm")],
)
def test_rootfs_is_taken_off(point: str, expected: str) -> None:
    """In a container the host's root is mounted somewhere; the page shows the host's own paths."""
    (mount,) = parse_mountinfo(f"1 2 8:1 / {point} rw - ext4 /dev/sda rw\n", root="/host")
    assert expected == mount.point


def test_octal_escapes() -> None:
    """The kernel writes space, tab, line end and backslash in octal."""
    assert "a b\tc\nd\\e" == unescaped("a\\040b\\011c\\012d\\134e")


def test_the_real_root() -> None:
    """The root of this machine has a size, and what is free of it is not more."""
    page = page_of(Filesystem(ExporterSettings()).collect())
    (size,) = (value for labels, value in page.values.items() if labels["__name__"] == "node_filesystem_size_bytes"
               and labels["mountpoint"] == "/")  # fmt: skip
    (free,) = (value for labels, value in page.values.items() if labels["__name__"] == "node_filesystem_free_bytes"
               and labels["mountpoint"] == "/")  # fmt: skip
    assert 0 < free <= size
    stat = os.statvfs("/")
    assert stat.f_blocks * stat.f_frsize == size


def test_a_mount_that_fails_says_why(tmp_path: Path) -> None:
    """The error is a label, in node_exporter's spelling, and there are no sizes."""
    gone = tmp_path / "gone"
    settings = host_with(tmp_path, f"1 2 8:9 / {gone} ro - ext4 /dev/sdz rw\n3 4 8:1 / / rw - ext4 /dev/sda rw\n")
    page = page_of(Filesystem(settings).collect())
    of = f'{{device="/dev/sdz", device_error="no such file or directory", fstype="ext4", mountpoint="{gone}"}}'
    assert {f"node_filesystem_device_error{of}": 1.0, f"node_filesystem_readonly{of}": 1.0} == {
        str(labels): value for labels, value in page.values.items() if labels.get("device") == "/dev/sdz"
    }
    assert 1 == len(page.of("node_filesystem_size_bytes"))


def test_a_mount_that_hangs_is_left_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A dead server's mount is reported as timed out; local ones have their sizes, at once the next time too."""
    release = threading.Event()
    asked: list[str] = []

    def statvfs(path: str) -> tuple[float, ...]:
        asked.append(path)
        if path == "/nas":
            release.wait(30)
        return (4, 3, 2, 1, 0, 0)

    monkeypatch.setattr(filesystem, "MOUNT_SECONDS", 0.05)
    monkeypatch.setattr(filesystem, "sizes_of", statvfs)
    settings = host_with(tmp_path, "1 2 0:9 / /nas rw - nfs4 nas:/x rw\n3 4 8:1 / / rw - ext4 /dev/sda rw\n")
    collector = Filesystem(settings)
    try:
        for _ in range(2):
            page = page_of(collector.collect())
            assert [4.0] == list(page.of("node_filesystem_size_bytes").values())
            of = '{device="nas:/x", device_error="mountpoint timeout", fstype="nfs4", mountpoint="/nas"}'
            assert 1.0 == page.of("node_filesystem_device_error")[f"node_filesystem_device_error{of}"]
        assert ["/", "/nas", "/"] == asked
    finally:
        release.set()


def test_default_exclusions() -> None:
    """Pseudo filesystems, images and what containers mount are no disks."""
    collector = Filesystem(ExporterSettings(host=Host(proc=str(FIXTURES / "proc"))))
    mounts = collector.mounts()
    kept = [
        mount.point for mount in mounts if collector._points.lets(mount.point) and collector._types.lets(mount.type)
    ]
    assert ["/", "/srv/with space", "/mnt/nas", "/srv/backup"] == kept


def test_mounts_one_over_the_other_are_one(tmp_path: Path) -> None:
    """Two mounts that the labels cannot tell apart give one series, not two of the same."""
    line = "1 2 8:1 / / rw - ext4 /dev/sda rw\n"
    page = page_of(Filesystem(host_with(tmp_path, line + line)).collect())
    assert 1 == len(page.of("node_filesystem_size_bytes"))


def test_hidepid_falls_back_to_the_own_mounts(tmp_path: Path) -> None:
    """Where /proc/1 is hidden, the exporter's own view serves."""
    (tmp_path / "self").mkdir()
    (tmp_path / "self/mountinfo").write_text("1 2 8:1 / / rw - ext4 /dev/sda rw\n")
    assert ["/"] == [mount.point for mount in Filesystem(ExporterSettings(host=Host(proc=str(tmp_path)))).mounts()]


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (None, ""),
        (Overrun("x"), "mountpoint timeout"),
        (PermissionError(13, "Permission denied"), "permission denied"),
    ],
)
def test_errors_in_words(error: Exception | None, words: str) -> None:
    """The label of an error is what node_exporter writes there."""
    assert words == in_words(error)


def test_sizes_come_from_the_kernel(tmp_path: Path) -> None:
    """Blocks are counted in the fragment size."""
    read: Callable[[str], tuple[float, ...]] = sizes_of
    assert 6 == len(read(str(tmp_path)))
    assert read(str(tmp_path))[0] > 0
