"""`make bench`: speed and memory beside the real peers, as ratios from one run."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from tests.bench import memory, scrape, side_by_side


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--seconds", type=int, default=20, help="how long each scraper is watched")
    arguments.add_argument("--idle", type=int, default=120, help="how long the idle stacks run before they are weighed")
    given = arguments.parse_args()
    peers: Path = scrape.PEERS
    if not (peers / "prometheus").exists():
        sys.exit(f"the real peers are not at {peers} (set TOCSIN_PEERS)")

    print("Ingest: CPU of the whole process for 100 targets of 1,000 series, scraped every second")
    figures = scrape.measure(peers, seconds=given.seconds)
    for each in figures:
        print(f"  {each}")
    for compressed in (False, True):
        ours, theirs = (
            next(each for each in figures if each.name == name and each.gzip == compressed).microseconds_per_sample
            for name in ("tocsin", "prometheus")
        )
        print(f"  ratio, gzip {'on ' if compressed else 'off'}: {ours / theirs:.2f}")

    print("\nQuery: sum by (mode) (rate(x_total[1m])) over 10,000 series, one hour at 15 s, over HTTP")
    for query in side_by_side.measure(peers):
        print(f"  {query}")

    print(f"\nMemory: PSS of the idle stack after {given.idle} s, scraping itself, with the stock rules")
    ours, theirs = weighed = memory.measure(peers, seconds=given.idle)
    for stack in weighed:
        print(f"  {stack}")
    print(f"  ratio {ours.total / theirs.total:.2f}")


if __name__ == "__main__":
    main()
