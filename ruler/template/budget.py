"""What rendering may cost. A template is text from a rule file or from whoever writes one: it ends soon or fails."""

from __future__ import annotations

from typing import Final

from ruler.template.errors import CallError

MOST_STEPS: Final = 50_000  # commands, arguments and iterations
MOST_TEXT: Final = 1 << 20  # characters, written out or made on the way
MOST_QUERIES: Final = 100


class Budget:
    """A Budget is what is left of one rendering; spending more than that raises CallError."""

    def __init__(self) -> None:
        self._steps, self._text, self._queries = MOST_STEPS, MOST_TEXT, MOST_QUERIES

    def step(self) -> None:
        self._steps -= 1
        if self._steps < 0:
            raise CallError(f"more than {MOST_STEPS} steps")

    def text(self, length: int) -> None:
        """Spend `length` characters: before they are made, where they may be many."""
        self._text -= length
        if self._text < 0:
            raise CallError(f"more than {MOST_TEXT} characters")

    def query(self) -> None:
        self._queries -= 1
        if self._queries < 0:
            raise CallError(f"more than {MOST_QUERIES} queries")
