"""Random byte flips over the files of state: is what is read afterwards the same, or reported, and how much is left?

python -m tests.bench.flips_state --flips 1000
"""

from __future__ import annotations

import argparse
import logging
import random
import shutil
import sqlite3
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from prometheus_client import CollectorRegistry

from common.labels import Labels
from receiver.gauges import Gauge, Push
from receiver.journal import Journal
from ruler.database import Database
from ruler.database.rows import tables
from ruler.dispatch.silences import Silence, Silences
from ruler.model.matcher import Matcher, MatchOp
from ruler.notify.log import Entry, Key, NotificationLog
from ruler.rule.durable import GroupStore, RuleAlerts
from ruler.rule.identity import RuleIdentity
from ruler.rule.state import ActiveAlert, AlertState

NOW = 1_700_000_000_000
HOUR = 3_600_000
MEMORY = Path("/dev/shm")  # where a sync costs nothing
STATE, LOG, JOURNAL = "state.sqlite", "state.sqlite-wal", "pushes.log"


@dataclass(frozen=True, slots=True)
class Outcome:
    """An Outcome is what was read from a file: its rows, whether anything was said to be wrong, how much is lost."""

    rows: Mapping[str, object]
    reported: bool


@dataclass(frozen=True, slots=True)
class Figure:
    """A Figure is what many flips of one kind of file came to."""

    name: str
    flips: int
    same: int
    reported: int
    silent: int
    kept: float
    least_kept: float

    def __str__(self) -> str:
        return (
            f"{self.name}: {self.flips} flips, {self.same} changed nothing, {self.reported} reported, "
            f"{self.silent} changed answers without a report; rows kept {self.kept:.3%}, at least {self.least_kept:.1%}"
        )


def fill_state(directory: Path, alerts: int) -> Database:
    """A database of state as it is after a while: everything was written, changed, and in part removed."""
    database = Database(directory / STATE)
    silences = Silences(database, CollectorRegistry())
    told = NotificationLog(database)
    stores = [GroupStore(database, f"/etc/rules/{number}.yml", "node") for number in range(5)]
    for round_ in range(4):
        for number, store in enumerate(stores):
            store.save(NOW + round_, _alerts(range(round_ * alerts // 30, alerts // 5), number, round_))
        for number in range(alerts // 4):
            matchers = (Matcher("alertname", MatchOp.EQUAL, f"Alert{number}"), Matcher("job", MatchOp.REGEX, "a|b"))
            silence = Silence(matchers, NOW, NOW + HOUR, "somebody", f"maintenance {number} " * 5)
            identity = silences.set(silence, NOW)
            if number % 3 == 0:
                silences.expire(identity, NOW + 1)
        for number in range(alerts):
            group = f'{{}}/{{severity="page"}}:{{alertname="Alert{number}", cluster="eu-{number % 7}"}}'
            told.record(Key("ops", "3f2a", group), Entry(frozenset(range(number, number + round_)), NOW + round_))
    return database


def _alerts(numbers: range, group: int, round_: int) -> RuleAlerts:
    rule = RuleIdentity("HostDown", '{severity="page"}', 'up{job="node"} == 0')
    alerts = [
        ActiveAlert(
            Labels({"alertname": "HostDown", "instance": f"host-{group}-{number}:9100", "severity": "page"}),
            Labels({"summary": f"Host {number} does not answer", "description": "It was not there. " * (number % 9)}),
            float(number),
            AlertState.FIRING if round_ else AlertState.PENDING,
            NOW,
            fired_at=NOW + round_ if round_ else None,
            last_sent_at=NOW + number + round_,
        )
        for number in numbers
    ]
    return ((rule, {alert.labels: alert for alert in alerts}),)


def make_closed(directory: Path, size: int) -> None:
    """The files after an orderly end: all is in the database file."""
    fill_state(directory, size).close()


def make_killed(directory: Path, size: int) -> None:
    """The files after a kill: the last seconds are in the log alone."""
    database = fill_state(directory, size)
    database.rows(tables()[0])  # everything is committed
    with sqlite3.connect(directory / STATE) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    connection.close()
    told = NotificationLog(database)
    for number in range(20):
        told.record(Key("ops", "late", f"group {number}"), Entry(frozenset((number,)), NOW))
    for name in (STATE, LOG):
        shutil.copy(directory / name, directory / f"{name}.copy")
    database.close()
    for name in (STATE, LOG):
        (directory / f"{name}.copy").replace(directory / name)


def read_state(directory: Path) -> Outcome:
    """What a start finds."""
    registry = CollectorRegistry()
    database = Database(directory / STATE, registry)
    rows = {f"{table.name} {row['row_id']}": row for table in tables() for row in database.rows(table)}
    database.close()
    damaged = [registry.get_sample_value("tocsin_database_corrupt_files_total")]
    damaged += [
        registry.get_sample_value("tocsin_database_damaged_rows_total", {"table": table.name}) for table in tables()
    ]
    return Outcome(rows, any(damaged))


def make_journal(directory: Path, size: int) -> None:
    """A journal of pushes."""
    journal = Journal(directory)
    labels = (("job", "shop"), ("server", "web-1"))
    for number in range(2 * size):
        gauges = tuple(Gauge(f"metric_{each}", labels, number / 7, NOW + number) for each in range(number % 5 + 1))
        journal.append([Push("web-1", f"source {number}", gauges)], list)
    journal.close()


def read_journal(directory: Path) -> Outcome:
    """What a start of the receiver finds."""
    journal = Journal(directory)
    pushes = journal.load()
    journal.close()
    return Outcome({push.source: push for push in pushes}, journal.damaged_lines > 0)


KINDS: dict[str, tuple[Callable[[Path, int], None], Callable[[Path], Outcome], str]] = {
    "state.sqlite": (make_closed, read_state, STATE),
    "state.sqlite after a kill": (make_killed, read_state, STATE),
    "its write-ahead log": (make_killed, read_state, LOG),
    "pushes.log": (make_journal, read_journal, JOURNAL),
}


def measure(kind: str, flips: int, seed: int = 1, size: int = 300) -> Figure:
    """Flip one random bit of a file of this kind, start, compare; again and again. Raises what a start raises.

    `size` is how many rows the largest tables have.
    """
    make, read, name = KINDS[kind]
    chance = random.Random(seed)
    same = reported = silent = 0
    kept: list[float] = []
    with tempfile.TemporaryDirectory(dir=MEMORY if MEMORY.is_dir() else None) as folder:
        source = Path(folder, "source")
        source.mkdir()
        make(source, size)
        trial = Path(folder, "trial")
        shutil.copytree(source, trial)
        whole = read(trial)
        assert whole.rows
        assert not whole.reported
        for _ in range(flips):
            shutil.rmtree(trial)
            shutil.copytree(source, trial)
            content = bytearray((trial / name).read_bytes())
            content[chance.randrange(len(content))] ^= 1 << chance.randrange(8)
            (trial / name).write_bytes(content)
            found = read(trial)
            share = sum(whole.rows.get(key) == row for key, row in found.rows.items()) / len(whole.rows)
            changed = found.rows != whole.rows
            kept.append(share)
            same += not changed
            reported += found.reported
            silent += changed and not found.reported
    return Figure(kind, flips, same, reported, silent, sum(kept) / flips, min(kept))


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--flips", type=int, default=1000)
    arguments.add_argument("--seed", type=int, default=1)
    given = arguments.parse_args()
    logging.disable()  # one line for each flip is what the count of reports stands for
    for kind in KINDS:
        print(measure(kind, given.flips, given.seed), flush=True)


if __name__ == "__main__":
    main()
