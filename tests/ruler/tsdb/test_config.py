"""What the files say of storage becomes what holds, or an error that says where; flags and keys as in Prometheus."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.config import Settings, load_yaml, parse_yaml
from common.durations import DAY, HOUR, MINUTE, format_duration
from common.errors import ConfigError
from ruler.model.matcher import Matcher, MatchOp
from ruler.promql.parser import parse_selector
from ruler.tsdb.config import (
    DEFAULT_RETENTION,
    FOREVER,
    Archive,
    Retention,
    Storage,
    StorageSettings,
    build_archives,
    build_storage,
    storage_warnings,
)

GIB = 1 << 30
NODE = (Matcher("job", MatchOp.EQUAL, "node"),)


class Whole(Settings, frozen=True):
    """The part of a prometheus.yml that is tested here."""

    storage: StorageSettings = StorageSettings()


def storage_of(tsdb: str) -> Storage:
    document = parse_yaml(f"storage: {{tsdb: {tsdb}}}", "p.yml")
    return build_storage(document.decode(Whole).storage, document, ())


def archives_of(text: str) -> tuple[Archive, ...]:
    document = parse_yaml(f"archives:\n{text}", "t.yml")
    return build_archives(document.value["archives"], parse_selector, document)


@pytest.mark.parametrize(
    ("keys", "time", "size", "retention"),
    [
        ("{}", None, None, Retention(DEFAULT_RETENTION, None)),
        ("{}", 2 * DAY, None, Retention(2 * DAY, None)),
        ("{}", None, GIB, Retention(FOREVER, GIB)),  # a size alone: as old as it may get
        ("{}", 0, 0, Retention(DEFAULT_RETENTION, None)),
        ("{retention: {time: 1d}}", 2 * DAY, GIB, Retention(DAY, GIB)),  # each key wins over its own flag alone
        ("{retention: {size: 2GB}}", 2 * DAY, GIB, Retention(2 * DAY, 2 * GIB)),
        ("{retention: {time: 0s, size: 0B}}", 2 * DAY, GIB, Retention(2 * DAY, GIB)),
        ("{retention: {percentage: 25}}", None, None, Retention(FOREVER, 10 * GIB)),
        ("{retention: {percentage: 0.5, size: 5GB, time: 3d}}", None, GIB, Retention(3 * DAY, 40 * GIB // 200)),
        ("{retention: {time: 200y}}", None, None, Retention(FOREVER, None)),
    ],
)
def test_keys_win_over_flags(keys: str, time: int | None, size: int | None, retention: Retention) -> None:
    """Time and size each on their own; a percentage of the disk over both sizes; 15 days only when nothing is said."""
    assert retention == storage_of(keys).retention(time, size, disk=40 * GIB)


def test_without_a_disk_a_percentage_is_of_nothing() -> None:
    """Samples in memory alone have no limit by size from it, and are not cut to 15 days either."""
    assert Retention(FOREVER, None) == storage_of("{retention: {percentage: 25}}").retention(None, None, None)


def test_a_retention_is_told_as_prometheus_tells_it() -> None:
    """`storageRetention` of the runtime's status names the limits that there are."""
    told = [str(each) for each in (Retention(), Retention(DAY, GIB), Retention(FOREVER, 3 * GIB // 2))]
    assert ["15d", "1d or 1GiB", "1GiB512MiB"] == told


@pytest.mark.parametrize(
    ("tsdb", "message"),
    [
        (
            "{retention: {time: -1h}}",
            "retention.time: not a valid duration string: '-1h' (write it like 30s, 5m or 1h30m)",
        ),
        ("{retention: {size: -1GB}}", "retention.size: not a size: '-1GB' (write it like 10MB)"),
        ("{retention: {size: 5}}", "retention.size: not a size: '5' (write it like 10MB)"),
        ("{retention: {percentage: 101}}", "retention.percentage: must be between 0 and 100: 101"),
        ("{retention: {percentage: -1}}", "retention.percentage: must be between 0 and 100: -1"),
        ("{retention: {percentage: nan}}", "retention.percentage: must be between 0 and 100: nan"),
        ("{retention: {age: 1d}}", "retention.age: unknown key 'age'"),
        ("{chunk_encoding: {floats: XOR}}", "chunk_encoding.floats: must be xor or xor2: 'XOR'"),
        (
            "{stale_series_compaction_threshold: 5}",
            "stale_series_compaction_threshold: must be between 0 and 1: 5",
        ),
    ],
)
def test_what_prometheus_refuses_is_refused(tsdb: str, message: str) -> None:
    """With file, line and path."""
    with pytest.raises(ConfigError) as caught:
        storage_of(tsdb)
    assert f"p.yml:1: storage.tsdb.{message}" == str(caught.value)


def test_prometheus_own_files_have_its_verdicts(testdata: Path) -> None:
    """Each file of its configuration tests that is about storage loads, or not, as its name says."""
    paths = sorted((testdata / "prometheus/config/testdata").glob("tsdb_*.yml"))
    verdicts = {}
    for path in paths:
        document = load_yaml(path)
        try:
            build_storage(document.decode(Whole).storage, document, ())
            verdicts[path.name] = True
        except ConfigError:
            verdicts[path.name] = False
    assert len(verdicts) >= 8
    assert {path.name: ".good." in path.name for path in paths} == verdicts


def test_what_has_no_effect_is_said() -> None:
    """Keys for what is not so here are accepted with one warning, a size beside a percentage with another."""
    document = parse_yaml(
        "storage:\n"
        "  tsdb: {stale_series_compaction_threshold: 0.5, retention: {size: 1GB, percentage: 28}}\n"
        "  exemplars: {max_exemplars: 100}\n"
    )
    assert [
        "accepted without effect: storage.tsdb.stale_series_compaction_threshold",
        "storage.tsdb.retention.size has no effect: storage.tsdb.retention.percentage is given too",
    ] == storage_warnings(document.decode(Whole).storage)
    assert [] == storage_warnings(StorageSettings())


def test_archives_are_read_in_order() -> None:
    """Any duration is a resolution, in any order; several selectors are alternatives."""
    assert (
        Archive((NODE,), 15 * DAY, ((5 * MINUTE, 90 * DAY), (HOUR, 730 * DAY))),
        Archive((NODE, (Matcher("__name__", MatchOp.EQUAL, "up"),)), DAY, ()),
    ) == archives_of(
        """\
- {match: ['{job="node"}'], raw: 15d, 1h: 2y, 5m: 90d}
- {match: ['{job="node"}', up], raw: 1d}
"""
    )


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        ("{raw: 1d}", "archives[0]: missing key 'match'"),
        ("{match: [up]}", "archives[0]: missing key 'raw'"),
        ("{match: up, raw: 1d}", "archives[0].match: not a list of selectors (write it like ['{job=\"node\"}'])"),
        ("{match: [], raw: 1d}", "archives[0].match: not a list of selectors (write it like ['{job=\"node\"}'])"),
        (
            "{match: [{job: node}], raw: 1d}",
            "archives[0].match[0]: not a selector: {'job': 'node'} (quote it: '{job=\"node\"}')",
        ),
        (
            "{match: [up, 'sum(up)'], raw: 1d}",
            "archives[0].match[1]: not a selector: 'sum(up)': unexpected \"(\"",
        ),
        (
            "{match: ['{}'], raw: 1d}",
            "archives[0].match[0]: not a selector: '{}': vector selector must contain at least one non-empty matcher",
        ),
        (
            "{match: [up], raw: 1d, 5min: 90d}",
            "archives[0].5min: unknown key (there are match, raw, and a duration such as 5m or 1h)",
        ),
        ("{match: [up], raw: 1d, 30s: 90d}", "archives[0].30s: shorter than 1m, the shortest bucket"),
        ("{match: [up], raw: 1d, 2m: 2d, 3m: 3d}", "archives[0].3m: not a multiple of the finer 2m"),
        ("{match: [up], raw: 1d, 60s: 2d, 1m: 3d}", "archives[0]: two keys are the same length of time"),
        ("{match: [up], raw: 15d, 5m: 15d}", "archives[0].5m: must be kept longer than 15d: '15d'"),
        ("{match: [up], raw: 1d, 5m: 9d, 1h: 8d}", "archives[0].1h: must be kept longer than 9d: '8d'"),
        ("{match: [up], raw: 1h, 1d: 2h}", "archives[0].1d: must be kept longer than 1d: '2h'"),
        ("{match: [up], raw: 0}", "archives[0].raw: must be longer than 0s: '0'"),
        (
            "{match: [up], raw: long}",
            "archives[0].raw: not a valid duration string: 'long' (write it like 30s, 5m or 1h30m)",
        ),
        ("{match: [up], raw: 1d, 1m: 2d, 2m: 3d, 4m: 4d, 8m: 5d, 16m: 6d}", "archives[0]: more than 4 resolutions: 5"),
    ],
)
def test_archives_are_checked(rule: str, message: str) -> None:
    """Everything that could not be done as written is refused, with the line."""
    with pytest.raises(ConfigError) as caught:
        archives_of(f"- {rule}")
    assert f"t.yml:2: {message}" == str(caught.value)


@given(st.lists(st.integers(2, 12), max_size=4), st.lists(st.integers(1, 400), min_size=5, max_size=5))
def test_what_is_coarser_is_kept_longer(factors: list[int], longer: list[int]) -> None:
    """Buckets that divide each other and times that ascend are read as they were written, whatever they are."""
    resolutions, bucket, kept = [], MINUTE, longer[0] * DAY
    rule = f"- {{match: ['{{job=\"node\"}}'], raw: {format_duration(kept)}"
    for factor, days in zip(factors, longer[1:], strict=False):
        bucket, kept = bucket * factor, kept + max(bucket * factor, days * DAY)
        resolutions.append((bucket, kept))
        rule += f", {format_duration(bucket)}: {format_duration(kept)}"
    assert (Archive((NODE,), longer[0] * DAY, tuple(resolutions)),) == archives_of(rule + "}")
