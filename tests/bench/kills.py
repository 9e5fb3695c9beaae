"""What random kills lose: a ruler that scrapes 5,000 samples a second is killed at random moments, again and again.

Every value says which series it belongs to and in which answer of its target it was sent, so each row that is read
back can be judged by itself. After each start everything that a client has been told before must be there, unchanged;
at the end also every page that was served, save those in flight at a kill or of a scrape that failed.
"""

from __future__ import annotations

import asyncio
import random
import signal
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.bench.load import scrape_config
from tests.bench.programs import TOCSIN, Program, program
from tests.peers import free_port

TARGETS, SERIES, TICK = 10, 100, 200  # ms
PLACES = 1_000  # a value is PLACES × the number of the page + the number of the series
QUICK, FULL = 10, 200  # kills
LONGEST_LIFE, LONGEST_START = 1.5, 1.0  # seconds until a kill, from the first answer and from the start
STARTING = 0.25  # the share of kills that strike a start
LOOKED_BACK = 60  # seconds, after each start
Rows = dict[int, int]  # time (ms) → number of the page


@dataclass(slots=True)
class Figures:
    """Figures are what became of the samples; all that is named lost, changed or torn must be 0."""

    kills: int = 0
    starts_killed: int = 0
    answers: int = 0
    seen: int = 0
    lost: int = 0
    changed: int = 0
    torn: int = 0
    served: int = 0
    served_lost: int = 0
    failed: int = 0
    slowest_start: float = 0.0

    def __str__(self) -> str:
        return (
            f"{self.kills} kills ({self.starts_killed} while starting), {self.answers} answers with {self.seen:,} "
            f"samples: lost {self.lost}, changed {self.changed}, rows half seen {self.torn}; of {self.served:,} pages "
            f"served, lost {self.served_lost} (scrapes failed: {self.failed}); slowest start {self.slowest_start:.1f} s"
        )


@dataclass(slots=True)
class Targets:
    """Targets serve pages and know how many: number `served[n]` was the last of target n."""

    served: list[int] = field(default_factory=lambda: [0] * TARGETS)

    def page(self, target: int) -> bytes:
        self.served[target] += 1
        base = self.served[target] * PLACES
        return "".join([f'kill_value{{n="{n}"}} {base + n}\n' for n in range(SERIES)]).encode()

    @contextmanager
    def listening(self) -> Iterator[int]:
        """Answer on a port of loopback, in a thread."""
        port, loop, targets = free_port(), asyncio.new_event_loop(), self

        class Connection(asyncio.Protocol):
            def connection_made(self, transport: asyncio.BaseTransport) -> None:
                self.transport = transport

            def data_received(self, data: bytes) -> None:
                assert isinstance(self.transport, asyncio.WriteTransport)
                body = targets.page(int(data.split(b" ", 2)[1][1:]))
                head = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain; version=0.0.4\r\nContent-Length: %d\r\n\r\n"
                self.transport.write(head % len(body) + body)

        loop.run_until_complete(loop.create_server(Connection, "127.0.0.1", port))
        thread = threading.Thread(target=loop.run_forever, daemon=True)
        thread.start()
        try:
            yield port
        finally:
            loop.call_soon_threadsafe(loop.stop)
            thread.join()


class Witness:
    """A Witness remembers what a program has answered, and judges what it answers later."""

    def __init__(self, server: Program, figures: Figures) -> None:
        self._server, self._figures = server, figures
        self.seen: list[Rows] = [{} for _ in range(TARGETS)]

    def read(self, target: int, seconds: int) -> Rows | None:
        """The rows of a target that an answer holds; None when there was no answer."""
        found = self._server.query(f'kill_value{{target="t{target}"}}[{seconds}s]', timeout=30)
        if found is None:
            return None
        rows: Rows = {}
        counts: dict[int, int] = {}
        for series in found:
            place = int(series["metric"]["n"])
            for at, value in series["values"]:
                when = round(at * 1000)
                page, named = divmod(int(float(value)), PLACES)
                self._figures.changed += named != place or rows.setdefault(when, page) != page
                counts[when] = counts.get(when, 0) + 1
        for when in [when for when, count in counts.items() if count != SERIES]:
            self._figures.torn += 1
            del rows[when]
        return rows

    def look(self, target: int) -> None:
        """Read the last seconds of a target, and remember them."""
        rows = self.read(target, 5)
        if rows is not None:
            self._figures.answers += 1
            self._figures.seen += SERIES * len(rows.keys() - self.seen[target].keys())
            self.seen[target].update(rows)

    def judge(self, seconds: int) -> list[Rows]:
        """Compare what was seen in the last seconds with what is there."""
        since = (time.time() - seconds + 1) * 1000
        there: list[Rows] = []
        for target, seen in enumerate(self.seen):
            rows = self.read(target, seconds)
            if rows is None:
                raise RuntimeError(f"no answer for t{target}: {self._server.problem}")
            for when, page in seen.items():
                if when > since:
                    self._figures.lost += SERIES * (when not in rows)
                    self._figures.changed += SERIES * (rows.get(when, page) != page)
            there.append(rows)
        return there


def measure(kills: int, name: str = TOCSIN) -> Iterator[object]:
    """What so many kills of a program lose."""
    chance = random.Random(7)
    figures, targets = Figures(), Targets()
    began = time.time()
    in_flight: set[tuple[int, int]] = set()
    with (
        tempfile.TemporaryDirectory() as folder,
        targets.listening() as port,
        program(name, Path(folder), scrape_config(port, TARGETS, TICK)) as server,
    ):
        witness = Witness(server, figures)
        for _ in range(kills):
            _live(server, witness, figures, chance)
            in_flight.update(enumerate(targets.served))
        _start(server, figures)
        served = list(targets.served)
        pages = [set(rows.values()) for rows in witness.judge(int(time.time() - began) + 2)]
        up = server.query("sum(count_over_time(up[1h]) - sum_over_time(up[1h]))") or []
        figures.failed = int(float(up[0]["value"][1])) if up else 0
    figures.served = sum(served)
    missing = sum(
        (target, page) not in in_flight and page not in pages[target]
        for target, count in enumerate(served)
        for page in range(1, count)
    )
    figures.served_lost = max(0, missing - figures.failed)
    yield f"{name}: {figures}"


def _live(server: Program, witness: Witness, figures: Figures, chance: random.Random) -> None:
    """One life of the program, until it is killed at a moment that it cannot know."""
    starting = chance.random() < STARTING
    figures.kills += 1
    figures.starts_killed += starting
    if starting:
        server.start()
        time.sleep(chance.random() * LONGEST_START)
    else:
        _start(server, figures)
        witness.judge(LOOKED_BACK)
        assert server.process is not None
        killing = threading.Timer(chance.random() * LONGEST_LIFE, server.process.send_signal, [signal.SIGKILL])
        killing.start()
        while server.process.poll() is None:
            witness.look(chance.randrange(TARGETS))
        killing.join()
    server.kill()


def _start(server: Program, figures: Figures) -> None:
    server.start()
    server.wait("an answer", "vector(1)", 1, pause=0.01)
    figures.slowest_start = max(figures.slowest_start, time.monotonic() - server.started)
