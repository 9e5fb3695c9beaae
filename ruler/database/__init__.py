"""database: state that is not samples, in SQL: rows that vouch for themselves, in a file that damage does not stop.

`Database` is all that a stage needs, and `StateTable` (in `rows`) what it defines.
"""

from ruler.database.database import Database, Overfull, Postponed, open_database

__all__ = ["Database", "Overfull", "Postponed", "open_database"]
