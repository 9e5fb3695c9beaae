"""The journal: what was written is there again, whatever happened to the process or to the file."""

from __future__ import annotations

import asyncio
import math
import os
import random
import threading
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.clock import ManualClock
from common.errors import StartError
from receiver import journal as journal_module
from receiver import saver as saver_module
from receiver.gauges import Gauge, GaugeStore, Push
from receiver.journal import Journal, _decoded, _encoded
from receiver.saver import Saver
from tests.receiver.client import NOW, running

texts = st.text(st.characters(codec="utf-8"), max_size=10)
gauges = st.builds(
    Gauge, texts, st.lists(st.tuples(texts, texts), max_size=3).map(tuple), st.floats(), st.integers(0, NOW)
)
pushes = st.builds(Push, texts, texts, st.lists(gauges, max_size=3).map(tuple))


def push(number: int) -> Push:
    return Push("web", "", (Gauge(f"m{number}", (("server", "web"),), number, NOW + 1000),))


def written(directory: Path, count: int) -> list[Push]:
    journal = Journal(directory)
    kept = [push(number) for number in range(count)]
    journal.append(kept, list)
    journal.close()
    return kept


def loaded(directory: Path) -> list[Push]:
    journal = Journal(directory)
    try:
        return journal.load()
    finally:
        journal.close()


@given(pushes)
def test_reading_gives_back_what_was_written(push: Push) -> None:
    """decode(encode(push)) == push, NaN and infinities included, and a record is one line."""
    line = _encoded(push)
    assert (0, 1) == (line.index(b"\n"), line.count(b"\n"))
    assert repr(push) == repr(_decoded(line[1:]))


def test_a_file_torn_anywhere_loses_the_torn_push_alone(tmp_path: Path) -> None:
    """Cut at every byte, the journal starts with the pushes before the cut, and takes new ones."""
    kept = written(tmp_path, 3)
    file = tmp_path / "pushes.log"
    whole = file.read_bytes()
    ends = [len(b"".join(map(_encoded, kept[:count]))) for count in range(4)]
    for cut in range(len(whole)):
        file.write_bytes(whole[:cut])
        journal = Journal(tmp_path)
        expected = kept[: sum(end <= cut for end in ends) - 1]
        assert expected == journal.load()
        journal.append([push(9)], list)
        journal.close()
        assert [*expected, push(9)] == loaded(tmp_path)


def test_a_flipped_bit_costs_one_push_or_two(tmp_path: Path) -> None:
    """No flip goes unnoticed: what is read is what was written, less the lines that the flip touched."""
    kept = written(tmp_path, 20)
    file = tmp_path / "pushes.log"
    whole = file.read_bytes()
    chance = random.Random(7)
    for _ in range(200):
        at = chance.randrange(len(whole))
        flipped = bytearray(whole)
        flipped[at] ^= 1 << chance.randrange(8)
        file.write_bytes(flipped)
        read = loaded(tmp_path)
        assert read == [each for each in kept if each in read]
        assert 18 <= len(read)


@pytest.mark.parametrize("content", [b"garbage", b"\x00" * 5000, b"\n\n", bytes(range(256)) * 50, b"00000000 \n" * 9])
def test_garbage_is_set_aside_and_the_receiver_starts(tmp_path: Path, content: bytes) -> None:
    """A receiver starts on any file; what it cannot read is kept as *.corrupt."""
    (tmp_path / "pushes.log").write_bytes(content)
    with running(tmp_path) as client:
        assert 200 == client.push("/api/v1/push", {"metrics": {"a": 1}}).status
    aside = tmp_path / "pushes.log.corrupt"
    assert (content if content.strip() else None) == (aside.read_bytes() if aside.exists() else None)
    with running(tmp_path) as client:
        assert 1 == len(client.page("a{"))


def test_values_come_back_with_their_age(tmp_path: Path) -> None:
    """After a restart a gauge has the rest of its life, and what expired meanwhile is gone."""
    with running(tmp_path) as client:
        client.push("/api/v1/push", {"metrics": {"short": 1}, "ttl": "1m"})
        client.push("/api/v1/push", {"metrics": {"long": "NaN"}, "ttl": "1h"})
    with running(tmp_path, clock=ManualClock(NOW + 60_000)) as client:
        assert (0, 1) == (len(client.page("short")), len(client.page("long")))
        assert math.isnan(client.page("long")['long{server="web-1"}'])
        client.clock.advance(59 * 60_000)
        assert 0 == len(client.page("long"))


def test_the_file_stays_a_few_times_as_long_as_what_is_held(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Renewing the same gauges for ever does not fill the disk, and loses nothing."""
    monkeypatch.setattr(journal_module, "MIN_REWRITE_BYTES", 2000)
    with running(tmp_path) as client:
        sizes = []
        for value in range(200):
            client.push("/api/v1/push", {"metrics": {"a": value, "b": -value}})
            sizes.append((tmp_path / "pushes.log").stat().st_size)
        assert max(sizes) < 2500
        assert max(sizes[100:]) > 1000
    with running(tmp_path) as client:
        assert ({199}, {-199}) == (set(client.page("a{").values()), set(client.page("b{").values()))


def test_damage_is_counted(tmp_path: Path) -> None:
    """A metric says how many lines were lost, once."""
    written(tmp_path, 3)
    file = tmp_path / "pushes.log"
    file.write_bytes(file.read_bytes().replace(b"m1", b"m7"))
    counts = []
    for _ in range(2):
        with running(tmp_path) as client:
            counts.append(client.page("tocsin_receiver_journal_damaged_lines_total"))
    name = "tocsin_receiver_journal_damaged_lines_total"
    assert [{name: 1}, {name: 0}] == counts


@pytest.mark.parametrize("call", ["unlink", "hardlink_to", "replace", "fsync"])
def test_a_kill_while_the_journal_is_replaced_loses_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    """At whichever step a damaged journal's replacement is cut off, the next start has every good push."""

    class Killed(BaseException):
        pass

    def kill(*_arguments: object, **_others: object) -> None:
        raise Killed

    kept = written(tmp_path, 3)
    file = tmp_path / "pushes.log"
    file.write_bytes(file.read_bytes() + b"\ngarbage")
    journal = Journal(tmp_path)
    with monkeypatch.context() as ending:
        ending.setattr(os if call == "fsync" else Path, call, kill)
        with pytest.raises(Killed):
            journal.load()
    journal.close()
    assert kept == loaded(tmp_path)


def test_pushes_reach_the_disk_within_seconds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The file is synced a while after a push; when that fails, what is held is written to another file."""
    monkeypatch.setattr(saver_module, "SYNC_SECONDS", 0.05)
    journal, store = Journal(tmp_path), GaugeStore()
    saver = Saver(journal, store.snapshot)
    before = (tmp_path / "pushes.log").stat().st_ino
    synced, fsync, outcomes = threading.Event(), os.fsync, [True, False]

    def failing(file: int) -> None:
        synced.set()
        if outcomes and not outcomes.pop(0):
            raise OSError(5, "Input/output error")
        fsync(file)

    async def save() -> None:
        for number in (1, 2):
            synced.clear()
            store.apply(push(number), NOW)
            await saver.save(push(number))
            assert await asyncio.to_thread(synced.wait, 5)

    monkeypatch.setattr(os, "fsync", failing)
    asyncio.run(save())
    saver.close()
    journal.close()
    assert before != (tmp_path / "pushes.log").stat().st_ino
    assert {"m1", "m2"} == {gauge.name for each in loaded(tmp_path) for gauge in each.gauges}


def test_two_receivers_cannot_share_a_directory(tmp_path: Path) -> None:
    """The second one ends with one line instead of writing over the first."""
    with running(tmp_path):
        with pytest.raises(StartError) as raised:
            Journal(tmp_path)
        assert f"receiver: another receiver is using {tmp_path}" == str(raised.value)


def test_an_unusable_directory_is_one_line(tmp_path: Path) -> None:
    """A file where the directory should be is named."""
    (tmp_path / "taken").write_bytes(b"")
    with pytest.raises(StartError) as raised:
        Journal(tmp_path / "taken")
    assert f"receiver: cannot use {tmp_path / 'taken'}: File exists" == str(raised.value)
