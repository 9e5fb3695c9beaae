"""Each `parse_x` understands its file, the odd lines of real hosts included."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.errors import StartError
from exporter.collectors import ALL
from exporter.collectors.cpu import Cpu, never_back, parse_cpu, parse_cpu_list
from exporter.collectors.diskstats import FIELDS as DISK_FIELDS
from exporter.collectors.diskstats import Diskstats, parse_diskstats, parse_udev
from exporter.collectors.filefd import parse_filefd
from exporter.collectors.hwmon import Hwmon, named, named_chips, split_file
from exporter.collectors.loadavg import parse_loadavg
from exporter.collectors.meminfo import parse_meminfo
from exporter.collectors.netdev import FIELDS, Netdev, parse_netdev
from exporter.collectors.stat import StatCollector, parse_stat
from exporter.collectors.thermal_zone import ThermalZone
from exporter.collectors.time import Time
from exporter.collectors.timex import NANOSECONDS, ClockState, families, read_clock_state
from exporter.collectors.uname import Uname
from exporter.host import Host, NoData, read_text
from exporter.process import parse_process, process_families
from exporter.settings import ExporterSettings
from tests.exporter.pages import FIXTURES, NOW, fake_host, page_of

PROC = FIXTURES / "proc"


def test_collectors_have_names_of_their_own() -> None:
    """A collector's name is the word of its flags and of its verdict, so no two share one."""
    names = [collector.name for collector in ALL]
    assert sorted(set(names)) == names


def test_cpu_seconds_are_ticks_over_their_rate() -> None:
    """The sum line is left out; each CPU has every mode, then the guests."""
    cpus = parse_cpu((PROC / "stat").read_text(), 100)
    assert ["0", "1", "2", "3"] == list(cpus)
    assert (10.0, 0.1, 5.0, 200.0, 1.0, 0.0, 0.5, 0.05, 0.5, 0.01) == cpus["0"]


def test_cpu_of_an_old_kernel() -> None:
    """Fields that a kernel does not have are zero."""
    assert {"0": (1.0, 2.0, 3.0, 4.0, 0, 0, 0, 0, 0, 0)} == parse_cpu("cpu  1 2 3 4\ncpu0 100 200 300 400\n", 100)


@given(st.lists(st.floats(0, 100), min_size=10, max_size=10), st.lists(st.floats(0, 100), min_size=10, max_size=10))
def test_cpu_counters_never_step_back(last: list[float], now: list[float]) -> None:
    """A counter keeps its value when the kernel steps back, unless idle says that the CPU is a new one."""
    kept = never_back(tuple(last), tuple(now))
    if last[3] - now[3] >= 3:
        assert tuple(now) == kept
    else:
        assert all(value >= before for value, before in zip(kept, last, strict=True))


def test_cpu_keeps_its_readings(tmp_path: Path) -> None:
    """Between two scrapes idle may step back in /proc/stat, not on the page; an unplugged CPU leaves the page."""
    (tmp_path / "stat").write_text("cpu0 1 1 1 500 1 1 1 1 1 1\ncpu1 1 1 1 500 1 1 1 1 1 1\nintr 1\n")
    collector = Cpu(ExporterSettings(host=Host(proc=str(tmp_path), sys=str(tmp_path))))
    page_of(collector.collect())
    (tmp_path / "stat").write_text("cpu0 2 1 1 499 1 1 1 1 1 1\nintr 1\n")
    idle = page_of(collector.collect()).of("node_cpu_seconds_total")
    assert 500 / collector._ticks == idle['node_cpu_seconds_total{cpu="0", mode="idle"}']
    assert 2 / collector._ticks == idle['node_cpu_seconds_total{cpu="0", mode="user"}']
    assert 8 == len(idle)


@pytest.mark.parametrize(("text", "cpus"), [("", []), ("3", ["3"]), ("1,3-5,9", ["1", "3", "4", "5", "9"])])
def test_cpu_lists(text: str, cpus: list[str]) -> None:
    """sysfs writes sets of CPUs as ranges."""
    assert cpus == parse_cpu_list(text)


def test_cpu_guests_can_be_left_out() -> None:
    """--no-collector.cpu.guest leaves one family out."""
    settings = ExporterSettings(host=Host(proc=str(PROC), sys="/nowhere"), flags={"cpu.guest": False})
    assert {"node_cpu_seconds_total"} == {family.name for family in Cpu(settings).collect() if family.rows}


def test_loadavg() -> None:
    """The three loads come first."""
    assert (0.52, 1.04, 2.08) == parse_loadavg((PROC / "loadavg").read_text())


def test_meminfo_units_go_into_names() -> None:
    """Kilobytes become bytes and say so; counts of pages do not; brackets become underscores."""
    fields = parse_meminfo((PROC / "meminfo").read_text())
    assert 8_192_000_000 == fields["MemTotal_bytes"]
    assert 716_800_000 == fields["Active_anon_bytes"]
    assert 16 == fields["HugePages_Total"]
    assert {"MemFree_bytes": 1024} == parse_meminfo("MemFree: 1 kB\nBrandNew: 5 kB\n")


def test_stat() -> None:
    """The counters of the whole machine, the first number of intr and the kinds of softirq."""
    stat = parse_stat((PROC / "stat").read_text())
    assert (123456, 987654, 1_700_000_000, 4321) == (
        stat.interrupts, stat.context_switches, stat.boot_time, stat.forks,
    )  # fmt: skip
    assert (3, 1, (1, 200, 3, 300, 50, 0, 6, 400, 0, 40)) == (stat.running, stat.blocked, stat.softirqs)


def test_softirqs_are_given_when_asked_for() -> None:
    """--collector.stat.softirq adds one family of ten vectors."""
    host = Host(proc=str(PROC))
    asked = ExporterSettings(host=host, flags={"stat.softirq": True})
    plain, more = page_of(StatCollector(ExporterSettings(host=host)).collect()), page_of(StatCollector(asked).collect())
    assert 10 == len(more.of("node_softirqs_total"))
    assert plain.values.keys() == {labels for labels in more.values if labels["__name__"] != "node_softirqs_total"}


def test_diskstats_of_each_generation() -> None:
    """A device has a sample for each number of its line, and none for those that its kernel does not count."""
    disks = {disk.device: disk for disk in parse_diskstats((PROC / "diskstats").read_text())}
    assert ("8", "0", 17) == (disks["sda"].major, disks["sda"].minor, len(disks["sda"].counts))
    assert {"sda": 17, "nvme0n1": 15, "dm-0": 11} == {
        name: len(disks[name].counts) for name in ("sda", "nvme0n1", "dm-0")
    }
    assert 17 == len(DISK_FIELDS)


def test_partitions_are_left_out() -> None:
    """node_exporter's default gives whole devices only."""
    settings = ExporterSettings(host=Host(proc=str(PROC), udev=str(FIXTURES / "udev")))
    devices = {labels["device"] for labels in page_of(Diskstats(settings).collect()).values}
    assert {"sda", "dm-0", "nvme0n1"} == devices


def test_udev_properties() -> None:
    """Only lines E: are properties; a value may be empty or hold an equals sign."""
    assert {"A": "1", "B": "", "C": "x=y"} == parse_udev("S:disk\nE:A=1\nE:B=\nE:C=x=y\nG:systemd\n")


def test_netdev() -> None:
    """The sixteen numbers of each device, also where the colon sticks to them."""
    devices = parse_netdev((PROC / "net/dev").read_text())
    assert ["lo", "eth0", "docker0"] == list(devices)
    assert {"receive_bytes": 5_000_000_000, "receive_multicast": 6, "transmit_compressed": 12} == {
        field: value
        for field, value in zip(FIELDS, devices["eth0"], strict=True)
        if field in ("receive_bytes", "receive_multicast", "transmit_compressed")
    }
    assert (123,) == parse_netdev("heading\nheading\neth0:1:123 \n")["eth0:1"]


@pytest.mark.parametrize(
    ("flags", "devices"),
    [
        ({}, {"lo", "eth0", "docker0"}),
        ({"netdev.device-include": "^eth"}, {"eth0"}),
        ({"netdev.device-exclude": "^(lo|docker.*)$"}, {"eth0"}),
    ],
)
def test_netdev_devices_can_be_chosen(flags: dict[str, str], devices: set[str]) -> None:
    """An include or an exclude expression picks the devices."""
    page = page_of(
        Netdev(ExporterSettings(host=Host(proc=str(PROC), sys=str(FIXTURES / "sys")), flags=flags)).collect()
    )
    assert devices == {labels["device"] for labels in page.values}


def test_two_choices_are_refused() -> None:
    """An include and an exclude of the same thing contradict each other."""
    flags: dict[str, str | bool] = {"netdev.device-include": "a", "netdev.device-exclude": "b"}
    with pytest.raises(StartError, match=r"--collector\.netdev\.device-include and .* exclude each other"):
        Netdev(ExporterSettings(flags=flags))


def test_a_bad_expression_is_named() -> None:
    """The operator reads which flag is wrong, and why."""
    flags: dict[str, str | bool] = {"netdev.device-exclude": "(", "x": ""}
    with pytest.raises(StartError, match=r"--collector\.netdev\.device-exclude: not a regular expression"):
        Netdev(ExporterSettings(flags=flags))


def test_filefd() -> None:
    """Allocated and maximum; the number between them is a fossil."""
    assert (1984, 9_223_372_036_854_775_807) == parse_filefd((PROC / "sys/fs/file-nr").read_text())


@pytest.mark.parametrize(
    ("file", "expected"),
    [
        ("temp1_input", ("temp1", "input")),
        ("pwm1", ("pwm1", "")),
        ("pwm2_auto_point1_pwm", ("pwm2", "auto_point1_pwm")),
        ("beep_enable", ("beep_enable0", "")),
        ("update_interval", ("update_interval0", "")),
        ("name", None),
        ("uevent", None),
    ],
)
def test_hwmon_files(file: str, expected: tuple[str, str] | None) -> None:
    """A file's name says its sensor and its element; other files are of no sensor."""
    assert expected == split_file(file)


@pytest.mark.parametrize(
    ("type_", "element", "name"),
    [
        ("temp", "input", "node_hwmon_temp_celsius"),
        ("temp", "crit_alarm", "node_hwmon_temp_crit_alarm_celsius"),
        ("temp", "type", "node_hwmon_temp_type"),
        ("fan", "input", "node_hwmon_fan_rpm"),
        ("fan", "fault", "node_hwmon_fan_fault"),
        ("in", "beep", "node_hwmon_in_beep_enabled"),
        ("energy", "input", "node_hwmon_energy_joule_total"),
        ("power", "average_interval_max", "node_hwmon_power_average_interval_max_seconds"),
        ("pwm", "", "node_hwmon_pwm"),
    ],
)
def test_hwmon_names_carry_their_unit(type_: str, element: str, name: str) -> None:
    """The element and the unit are in the name; the plain reading has no element."""
    assert name == named(type_, element, also_plain=False)[0]


def test_hwmon_chips_of_one_device_are_told_apart(tmp_path: Path) -> None:
    """Two chips of one device get their names added, for two series must not be the same."""
    device = tmp_path / "platform" / "asus.0"
    paths = []
    for number, name in enumerate(("fans", "sensors")):
        chip = tmp_path / f"hwmon{number}"
        chip.mkdir(parents=True)
        device.mkdir(parents=True, exist_ok=True)
        (chip / "device").symlink_to(device)
        (chip / "name").write_text(f"{name}\n")
        paths.append(str(chip))
    assert ["platform_asus_0_fans", "platform_asus_0_sensors"] == [label for _, label in named_chips(paths)]
    assert ["platform_asus_0"] == [label for _, label in named_chips(paths[:1])]


def test_hwmon_chips_of_one_name_are_told_apart(tmp_path: Path) -> None:
    """Two chips without a device that call themselves the same get their numbers added."""
    paths = [tmp_path / "hwmon3", tmp_path / "hwmon4"]
    for path in paths:
        path.mkdir()
        (path / "name").write_text("acpitz\n")
    labels = [label for _, label in named_chips(str(path) for path in paths)]
    assert ["acpitz_acpitz_hwmon3", "acpitz_acpitz_hwmon4"] == labels


def test_hwmon_chips_and_sensors_can_be_chosen() -> None:
    """Chips are picked by their label, sensors by chip;sensor."""
    host = Host(sys=str(FIXTURES / "sys"))
    chips = page_of(Hwmon(ExporterSettings(host=host, flags={"hwmon.chip-include": "coretemp"})).collect())
    assert {"coretemp"} == {labels["chip"] for labels in chips.values}
    sensors = page_of(Hwmon(ExporterSettings(host=host, flags={"hwmon.sensor-include": "^coretemp;temp2$"})).collect())
    assert {"temp2"} == {labels["sensor"] for labels in sensors.values if "sensor" in labels}


def test_hwmon_without_sensors(tmp_path: Path) -> None:
    """A virtual machine has none: that is no data, not an empty success."""
    with pytest.raises(NoData):
        Hwmon(ExporterSettings(host=Host(sys=str(tmp_path)))).collect()


def test_thermal_zone_that_is_off(tmp_path: Path) -> None:
    """A zone that cannot be read is left out, the others stay; a zone may be below zero."""
    for number, temperature in enumerate(("41000", "-1500", None)):
        zone = tmp_path / "class/thermal" / f"thermal_zone{number}"
        zone.mkdir(parents=True)
        (zone / "type").write_text("acpi\n")
        if temperature is not None:
            (zone / "temp").write_text(f"{temperature}\n")
    page = page_of(ThermalZone(ExporterSettings(host=Host(sys=str(tmp_path)))).collect())
    assert {
        'node_thermal_zone_temp{type="acpi", zone="0"}': 41.0,
        'node_thermal_zone_temp{type="acpi", zone="1"}': -1.5,
    } == page.of("node_")


def test_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The clock that is handed in, and the clock sources with the device they are of."""
    monkeypatch.chdir(tmp_path)
    page = page_of(Time(ExporterSettings(host=fake_host(tmp_path))).collect())
    assert {"node_time_seconds": NOW / 1000} == page.of("node_time_seconds")
    assert {
        f'node_time_clocksource_available_info{{clocksource="{source}", device="0"}}': 1.0
        for source in ("tsc", "hpet", "acpi_pm")
    } == page.of("node_time_clocksource_available")


def test_uname() -> None:
    """One series of 1, with the domain from /proc because os.uname has none."""
    (labels,) = page_of(Uname(ExporterSettings(host=Host(proc=str(PROC)))).collect()).values
    assert ("example.net", "Linux") == (labels["domainname"], labels["sysname"])


def test_timex_units() -> None:
    """Microseconds, or nanoseconds where the kernel says so; 2^-16 ppm for frequencies."""
    clock = ClockState(state=5, offset=1_500_000, freq=65_536_000_000, maxerror=16_000_000, jitter=2_000, tick=10_000)
    page = page_of(families(clock, 3)).of("node_timex_")
    assert (0, 1.5, 2.0, 16.0, 0.002, 0.01, 3) == tuple(
        page[f"node_timex_{name}"]
        for name in (
            "sync_status", "offset_seconds", "frequency_adjustment_ratio", "maxerror_seconds", "pps_jitter_seconds",
            "tick_seconds", "offset_overflow_total",
        )
    )  # fmt: skip
    fine = page_of(families(replace(clock, state=0, status=NANOSECONDS), 0)).of("node_timex_")
    assert (1, 0.0015) == (fine["node_timex_sync_status"], fine["node_timex_offset_seconds"])


def test_timex_reads_the_kernel() -> None:
    """adjtimex answers in the layout that is declared: a tick is 10 ms, within a tenth."""
    assert math.isclose(10_000, read_clock_state().tick, rel_tol=0.1)


def test_process_of_an_odd_name() -> None:
    """The command between the brackets may hold spaces and brackets."""
    fields = ["S", *("0" for _ in range(10)), "150", "50", *("0" for _ in range(6)), "777", "4096", "3"]
    process = parse_process(f"12 (a) b (c)) {' '.join(fields)} 0 0\n")
    assert (200, 777, 4096) == (process.cpu, process.started, process.virtual)


def test_process_of_this_test() -> None:
    """The numbers of the running process are those of a process."""
    page = page_of(process_families()).of("process_")
    assert page["process_open_fds"] > 2
    assert page["process_resident_memory_bytes"] > 1 << 20
    assert page["process_virtual_memory_bytes"] >= page["process_resident_memory_bytes"]


def test_files_without_an_end_are_refused() -> None:
    """A file of /proc is read up to a size, then given up."""
    with pytest.raises(OSError, match="larger than"):
        read_text("/dev/zero")
