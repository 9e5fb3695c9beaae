"""A process to be killed: appends rows whose values follow from time and labels, and says so after each."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

from ruler.tsdb.db import DB
from tests.ruler.tsdb.reading import BASE, named

INTERVAL = 1_000


def main(path: Path, turn: int) -> None:
    db = DB.open(path)
    stream = db.stream("a", INTERVAL)
    for tick in range(turn * 500, (turn + 1) * 500):
        count = 5 + tick % 100  # series come all the time
        ids = db.series([named("m", n=str(n)) for n in range(count)])
        time = BASE + tick * INTERVAL
        stream.append(time, time, ids, time - BASE + np.arange(count) / 1024)
        sys.stdout.write(f"{time} {count}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
