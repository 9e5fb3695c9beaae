"""filesystem: size and use of each mounted filesystem; a mount that hangs is reported as such and left alone.

Mounts come from /proc/1/mountinfo, those on a network last: when a dead server eats the time, local disks are done.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import ClassVar

from common.exposition import Family, gauge
from exporter.crew import Crew, Outcome, Overrun
from exporter.settings import ExporterSettings, Flag, filter_of

MOUNT_SECONDS, ALL_SECONDS = 1.0, 2.5

POINTS_INCLUDE = Flag("filesystem.mount-points-include", "expression of mount points to give; not with -exclude")
POINTS_EXCLUDE = Flag(
    "filesystem.mount-points-exclude",
    "expression of mount points to leave out; not with -include",
    default=r"^/(dev|proc|run/credentials/.+|sys|var/lib/docker/.+|var/lib/containers/storage/.+)($|/)",
)
TYPES_INCLUDE = Flag("filesystem.fs-types-include", "expression of filesystem types to give; not with -exclude")
TYPES_EXCLUDE = Flag(
    "filesystem.fs-types-exclude",
    "expression of filesystem types to leave out; not with -include",
    default=(
        "^(autofs|binfmt_misc|bpf|cgroup2?|configfs|debugfs|devpts|devtmpfs|fusectl|hugetlbfs|iso9660|mqueue|nsfs|"
        "overlay|proc|procfs|pstore|rpc_pipefs|securityfs|selinuxfs|squashfs|erofs|sysfs|tracefs)$"
    ),
)

LABELS = ("device", "device_error", "fstype", "mountpoint")
SIZES = (
    ("size_bytes", "How much the filesystem holds, in bytes."),
    ("free_bytes", "How much of the filesystem is free, in bytes."),
    ("avail_bytes", "How much of the filesystem is free for users other than root, in bytes."),
    ("files", "How many file nodes the filesystem has."),
    ("files_free", "How many file nodes of the filesystem are free."),
    ("purgeable_bytes", "How much macOS could purge from the filesystem, in bytes; 0 elsewhere."),
)

_NETWORK = re.compile(r"(nfs|cifs|smb|fuse\.|ceph|gluster|9p|afs|lustre|ocfs|gfs|davfs|sshfs|beegfs)")
_OCTAL = re.compile(r"\\([0-7]{3})")

Sizes = tuple[float, ...]  # SIZES


@dataclass(frozen=True, slots=True)
class Mount:
    """A Mount is a filesystem at a place of the directory tree."""

    device: str
    point: str
    type: str
    major: str
    minor: str
    read_only: bool


class Filesystem:
    """The filesystem collector."""

    name: ClassVar[str] = "filesystem"
    flags: ClassVar[tuple[Flag, ...]] = (POINTS_INCLUDE, POINTS_EXCLUDE, TYPES_INCLUDE, TYPES_EXCLUDE)

    def __init__(self, settings: ExporterSettings) -> None:
        self._host = settings.host
        self._points = filter_of(settings, POINTS_INCLUDE, POINTS_EXCLUDE)
        self._types = filter_of(settings, TYPES_INCLUDE, TYPES_EXCLUDE)
        self._crew: Crew[Sizes] = Crew("statvfs", MOUNT_SECONDS, ALL_SECONDS)

    def collect(self) -> Iterator[Family]:
        mounts = [mount for mount in self.mounts() if self._points.lets(mount.point) and self._types.lets(mount.type)]
        mounts.sort(key=lambda mount: _NETWORK.match(mount.type) is not None)
        calls = {mount.point: self._call(mount.point) for mount in mounts}
        return families(mounts, self._crew.run(calls))

    def _call(self, point: str) -> Callable[[], Sizes]:
        return partial(sizes_of, point if self._host.root == "/" else f"{self._host.root}{point}")

    def mounts(self) -> list[Mount]:
        """What is mounted where; raises OSError."""
        try:
            text = self._host.read_proc("1/mountinfo")
        except (FileNotFoundError, PermissionError):  # hidepid
            text = self._host.read_proc("self/mountinfo")
        return parse_mountinfo(text, self._host.root)


def families(mounts: list[Mount], outcomes: dict[str, Outcome[Sizes]]) -> Iterator[Family]:
    """What is known of `mounts`; one that gave no sizes has only its error and whether it is read-only."""
    first: dict[tuple[str, ...], tuple[Mount, Outcome[Sizes]]] = {}
    for mount in mounts:  # of mounts one over the other the labels cannot tell apart, so one is given
        outcome = outcomes[mount.point]
        first.setdefault((mount.device, in_words(outcome.error), mount.type, mount.point), (mount, outcome))
    sized = [(labels, outcome.value) for labels, (_, outcome) in first.items() if outcome.value is not None]
    for column, (field, text) in enumerate(SIZES):
        yield gauge(f"node_filesystem_{field}", text, LABELS, [(labels, sizes[column]) for labels, sizes in sized])
    yield gauge(
        "node_filesystem_device_error",
        "Whether the filesystem could not be asked for its size.",
        LABELS,
        [(labels, int(outcome.error is not None)) for labels, (_, outcome) in first.items()],
    )
    yield gauge(
        "node_filesystem_readonly",
        "Whether the filesystem is mounted read-only.",
        LABELS,
        [(labels, int(mount.read_only)) for labels, (mount, _) in first.items()],
    )
    on = {
        (mount.device, mount.major, mount.minor, mount.point) for mount, outcome in first.values() if not outcome.error
    }
    text = "Which block device each filesystem is on, as labels."
    yield gauge(
        "node_filesystem_mount_info",
        text,
        ("device", "major", "minor", "mountpoint"),
        [(labels, 1) for labels in sorted(on)],
    )


def sizes_of(path: str) -> Sizes:
    """The SIZES of the filesystem at `path`; may hang, raises OSError."""
    stat = os.statvfs(path)
    block = stat.f_frsize
    return (
        stat.f_blocks * block, stat.f_bfree * block, stat.f_bavail * block, stat.f_files, stat.f_ffree, 0,
    )  # fmt: skip


def in_words(error: Exception | None) -> str:
    """The label that an error becomes, empty without one."""
    if error is None:
        return ""
    if isinstance(error, Overrun):
        return "mountpoint timeout"
    return (error.strerror if isinstance(error, OSError) and error.strerror else str(error)).lower()


def parse_mountinfo(text: str, root: str = "/") -> list[Mount]:
    """The Mounts in the text of /proc/<pid>/mountinfo; `root` is taken off the front of their points."""
    mounts = []
    for line in text.splitlines():
        before, _, after = line.partition(" - ")
        _, _, numbers, _, point, options, *_ = before.split(" ")
        type_, device, *super_options = after.split(" ")
        major, _, minor = numbers.partition(":")
        read_only = "ro" in options.split(",") or (bool(super_options) and "ro" in super_options[-1].split(","))
        mounts.append(Mount(unescaped(device), _below(unescaped(point), root), type_, major, minor, read_only))
    return mounts


def _below(point: str, root: str) -> str:
    if root == "/" or not (point == root or point.startswith(f"{root}/")):
        return point
    return point.removeprefix(root) or "/"


def unescaped(text: str) -> str:
    r"""`text` with the kernel's `\040` and the like as the bytes that they stand for."""
    if "\\" not in text:
        return text
    return _OCTAL.sub(lambda match: chr(int(match[1], 8)), text)
