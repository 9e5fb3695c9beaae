"""hwmon: what the host's sensors read (temperatures, fans, voltages, power …), from /sys/class/hwmon.

A chip is a directory; its files are named `<type><number>_<element>`, as in temp1_crit. A chip's label is the path of
its device, because hwmonX depends on the order of loading.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from typing import ClassVar, NamedTuple

from common.exposition import Family, Row
from common.textformat import MetricType
from exporter.host import NoData, attribute_or, entries, read_attribute
from exporter.settings import ExporterSettings, Flag, filter_of

CHIP_INCLUDE = Flag("hwmon.chip-include", "expression of chips to give; not with -exclude")
CHIP_EXCLUDE = Flag("hwmon.chip-exclude", "expression of chips to leave out; not with -include")
SENSOR_INCLUDE = Flag("hwmon.sensor-include", "expression of sensors (chip;sensor) to give; not with -exclude")
SENSOR_EXCLUDE = Flag("hwmon.sensor-exclude", "expression of sensors (chip;sensor) to leave out; not with -include")

TYPES = frozenset(
    ("vrm", "beep_enable", "update_interval", "in", "cpu", "fan", "pwm", "temp", "curr", "power", "energy", "humidity",
     "intrusion", "freq")
)  # fmt: skip
LABELS = ("chip", "sensor")

_FILE = re.compile(r"(?P<type>[^0-9]+)(?P<number>[0-9]*)(?:_(?P<element>.+))?\Z")
_NOT_IN_A_NAME = re.compile(r"[^a-z0-9:_]")

Sensor = dict[str, str]  # element → what the file says


class Unit(NamedTuple):
    """A Unit is how an element is given: the end of its name, what its number is divided by, and its type."""

    suffix: str
    divisor: int
    text: str
    type: MetricType = MetricType.GAUGE


PLAIN = Unit("", 1, "Sensor {type}, {element}.")
INTERVAL = Unit("_seconds", 1000, "How often the power is averaged ({element}), in seconds.")
RPM = Unit("_rpm", 1, "Fan speed ({element}), in rotations a minute.")

# The first row whose type and element fit gives the unit; "" stands for any element.
UNITS: tuple[tuple[str, str, Unit], ...] = (
    ("in", "", Unit("_volts", 1000, "Voltage ({element}).")),
    ("cpu", "", Unit("_volts", 1000, "Voltage ({element}).")),
    ("temp", "type", PLAIN),
    ("temp", "", Unit("_celsius", 1000, "Temperature ({element}), in degrees Celsius.")),
    ("curr", "", Unit("_amps", 1000, "Current ({element}).")),
    ("energy", "", Unit("_joule_total", 1_000_000, "Energy used ({element}), in joules.", MetricType.COUNTER)),
    ("power", "accuracy", Unit("", 1_000_000, "Accuracy of the power meter, as a ratio.")),
    ("power", "average_interval", INTERVAL),
    ("power", "average_interval_min", INTERVAL),
    ("power", "average_interval_max", INTERVAL),
    ("power", "", Unit("_watt", 1_000_000, "Power ({element}), in watts.")),
    ("humidity", "", Unit("", 1_000_000, "Humidity ({element}), as a ratio.")),
    ("fan", "input", RPM),
    ("fan", "min", RPM),
    ("fan", "max", RPM),
    ("fan", "target", RPM),
    ("freq", "input", Unit("_freq_mhz", 1_000_000, "Clock of a graphics chip, in megahertz.")),
)


class Hwmon:
    """The hwmon collector."""

    name: ClassVar[str] = "hwmon"
    flags: ClassVar[tuple[Flag, ...]] = (CHIP_INCLUDE, CHIP_EXCLUDE, SENSOR_INCLUDE, SENSOR_EXCLUDE)

    def __init__(self, settings: ExporterSettings) -> None:
        self._base = f"{settings.host.sys}/class/hwmon"
        self._chips = filter_of(settings, CHIP_INCLUDE, CHIP_EXCLUDE)
        self._sensors = filter_of(settings, SENSOR_INCLUDE, SENSOR_EXCLUDE)

    def collect(self) -> Iterable[Family]:
        paths = [f"{self._base}/{entry}" for entry in entries(self._base)]
        paths = [path for path in paths if os.path.isdir(path)]  # noqa: PTH112  (and not a broken link)
        if not paths:
            raise NoData("no sensors: nothing in /sys/class/hwmon")
        page = _Page()
        for path, chip in named_chips(paths):
            if not self._chips.lets(chip):
                continue
            human = cleaned(attribute_or(f"{path}/name", ""))
            if human:
                page.add(
                    "node_hwmon_chip_names", "What each chip calls itself.", ("chip", "chip_name"), (chip, human), 1
                )
            for sensor, elements in read_sensors(path).items():
                if self._sensors.lets(f"{chip};{sensor}"):
                    page.add_sensor(chip, sensor, elements)
        return page.families()


def named_chips(paths: Iterable[str]) -> list[tuple[str, str]]:
    """Each chip's directory with its label; chips of one device are told apart by their names, or their numbers."""
    chips = {path: _device_label(path) for path in paths}
    for more in (_own_name, _number):
        known = list(chips.values())
        chips = {path: label if known.count(label) == 1 else f"{label}_{more(path)}" for path, label in chips.items()}
    return list(chips.items())


def _device_label(path: str) -> str:
    """`platform_coretemp_0` for a device at …/platform/coretemp.0; else the chip's own name."""
    device = f"{path}/device"
    if os.path.exists(device):  # noqa: PTH110
        *_, parent, name = os.path.realpath(device).split("/")
        if label := "_".join(filter(None, (cleaned(parent), cleaned(name)))):
            return label
    return _own_name(path)


def _own_name(path: str) -> str:
    return cleaned(attribute_or(f"{path}/name", "")) or _number(path)


def _number(path: str) -> str:
    return cleaned(os.path.realpath(path).rpartition("/")[2])


def cleaned(text: str) -> str:
    """`text` as a part of a metric's name."""
    return _NOT_IN_A_NAME.sub("_", text.lower()).strip("_")


def read_sensors(path: str) -> dict[str, Sensor]:
    """The sensors of a chip: what its files say, those beside it in `device/` included (as old drivers have it)."""
    sensors: dict[str, Sensor] = {}
    for directory in (path, f"{path}/device"):
        for file in entries(directory):
            split = split_file(file)
            if split is None:
                continue
            sensor, element = split
            try:
                said = read_attribute(f"{directory}/{file}")
            except OSError:  # a sensor that cannot be read now must not cost the others
                continue
            sensors.setdefault(sensor, {})[element] = said
    return sensors


def split_file(name: str) -> tuple[str, str] | None:
    """`temp1_crit` is element `crit` of sensor `temp1`; None for a file that is of no sensor."""
    match = _FILE.match(name)
    if match is None or match["type"] not in TYPES:
        return None
    return f"{match['type']}{int(match['number'] or 0)}", match["element"] or ""


class _Page:
    """A _Page gathers rows into families."""

    def __init__(self) -> None:
        self._families: dict[str, Family] = {}
        self._rows: dict[str, list[Row]] = {}

    def add(
        self, name: str, text: str, labels: tuple[str, ...], values: tuple[str, ...], value: float,
        type_: MetricType = MetricType.GAUGE,
    ) -> None:  # fmt: skip
        if name not in self._families:
            self._rows[name] = []
            self._families[name] = Family(name, type_, text, labels, self._rows[name])
        self._rows[name].append(Row(values, value))

    def add_sensor(self, chip: str, sensor: str, elements: Mapping[str, str]) -> None:
        """Add every element of a sensor that is a number."""
        label = elements.get("label")
        if label is not None:
            text = "What each sensor calls itself."
            self.add("node_hwmon_sensor_label", text, ("chip", "label", "sensor"), (chip, label, sensor), 1)
        type_ = sensor.rstrip("0123456789")
        for element, said in sorted(elements.items()):
            try:
                number = float(said)
            except ValueError:
                continue
            if element == "label" or (type_ == "freq" and not label):
                continue
            name, unit = named(type_, element, also_plain="" in elements)
            shown = cleaned(label) if type_ == "freq" and label else sensor
            text = unit.text.format(type=type_, element=element or "input")
            self.add(name, text, LABELS, (chip, shown), number / unit.divisor, unit.type)

    def families(self) -> Iterable[Family]:
        return self._families.values()


def named(type_: str, element: str, *, also_plain: bool) -> tuple[str, Unit]:
    """The name and the unit of a sensor's element; `also_plain` when the sensor has a file without an element too."""
    whole = {"beep_enable": "beep_enabled", "vrm": "voltage_regulator_version"}.get(type_)
    if whole is not None:
        return f"node_hwmon_{whole}", PLAIN
    if type_ == "update_interval":
        return "node_hwmon_update_interval_seconds", Unit("", 1000, "How often the chip measures, in seconds.")
    stem = f"node_hwmon_{type_}"
    if element != "input" or also_plain:
        stem += f"_{cleaned(element)}" if element else ""
    if element in ("fault", "alarm"):
        return stem, Unit("", 1, "Whether the sensor ({type}) says {element}.")
    if element == "beep":
        return f"{stem}_enabled", Unit("", 1, "Whether the sensor ({type}) may beep.")
    unit = next((unit for of, only, unit in UNITS if of == type_ and only in ("", element)), PLAIN)
    return stem + unit.suffix, unit
