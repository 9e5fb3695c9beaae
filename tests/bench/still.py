"""`tocsin ruler` on history that stands still: its keeper does no rounds, so that the newest page stays open.

python -m tests.bench.still <flags of tocsin ruler>

Where scraping goes on there is always such a page; here the keeper would seal it once it is five minutes old.
"""

from __future__ import annotations

import threading

from common.lifecycle import starting


def main() -> None:
    with starting():
        from ruler import cli
        from ruler.tsdb.keep import keeper
    keeper.ROUND_SECONDS = threading.TIMEOUT_MAX
    cli.ruler()


if __name__ == "__main__":
    main()
