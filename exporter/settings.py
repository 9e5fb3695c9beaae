"""What an exporter is told: where the host is, which collectors run, and what each of them was told by its flags."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from common.errors import StartError
from exporter.host import Host


@dataclass(frozen=True, slots=True)
class Flag:
    """A Flag is an option of one collector: `--collector.<name>`, with a text or (a `bool` default) with `--no-`."""

    name: str
    help: str
    default: str | bool = ""
    repeated: bool = False  # its value is then the texts given, one a line


@dataclass(frozen=True, slots=True)
class ExporterSettings:
    """ExporterSettings are everything that an Exporter is told, complete with node_exporter's defaults."""

    host: Host = field(default_factory=Host)
    switched: Mapping[str, bool] = field(default_factory=dict)  # collectors that were named, on or off
    disable_defaults: bool = False
    flags: Mapping[str, str | bool] = field(default_factory=dict)  # by Flag.name; what is absent has its default
    telemetry_path: str = "/metrics"
    exporter_metrics: bool = True
    max_requests: int = 40  # 0: any number
    collector_seconds: float = 3.0

    def runs(self, collector: str) -> bool:
        """Whether the collector of this name is on."""
        return self.switched.get(collector, not self.disable_defaults)

    def text(self, flag: Flag) -> str:
        """The value of a flag that takes a text."""
        return str(self.flags.get(flag.name, flag.default))

    def is_on(self, flag: Flag) -> bool:
        """The value of a flag that is on or off."""
        return bool(self.flags.get(flag.name, flag.default))


class Filter:
    """A Filter lets names through by an include or an exclude expression (searched, not anchored, as in Go)."""

    def __init__(self, include: str, exclude: str, flag: str) -> None:
        self._include = _compiled(include, f"--collector.{flag}-include")
        self._exclude = _compiled(exclude, f"--collector.{flag}-exclude")

    def lets(self, name: str) -> bool:
        """Whether `name` is wanted."""
        if self._include is not None and self._include.search(name) is None:
            return False
        return self._exclude is None or self._exclude.search(name) is None


def filter_of(settings: ExporterSettings, include: Flag, exclude: Flag) -> Filter:
    """The Filter that two flags make. Raises StartError when both are given: an include replaces a default exclude."""
    wanted = settings.text(include)
    if wanted and settings.flags.get(exclude.name):
        raise StartError(f"--collector.{include.name} and --collector.{exclude.name} exclude each other: give one")
    subject = include.name.removesuffix("-include")
    return Filter(wanted, "" if wanted else settings.text(exclude), subject)


def _compiled(expression: str, flag: str) -> re.Pattern[str] | None:
    if not expression:
        return None
    try:
        return re.compile(expression)
    except re.error as error:
        raise StartError(f"{flag}: not a regular expression ({error}): {expression!r}") from None
