"""Writes to a database until it is killed, and says on its standard output what was acknowledged."""

from __future__ import annotations

import sys
from itertools import count
from pathlib import Path

from ruler.database import Database
from tests.ruler.database.state import put, remove

if __name__ == "__main__":
    database = Database(Path(sys.argv[1]))
    for number in count(int(sys.argv[2])):
        if number > 50:
            database.write([remove(f"{number - 50}")])
        database.write([put(f"{number}", number, "x" * (number % 3000)), put("last", number)]).result()
        print(number, flush=True)
