"""So many run at once, the others wait in line, and the line has an end."""

from __future__ import annotations

import asyncio

import pytest

from ruler.api.errors import Unavailable
from ruler.api.turns import Turns


def test_turns_come_in_order_and_places_are_passed_on() -> None:
    """Who leaves with a place gives it to the next; who leaves without one gives nothing."""

    async def run() -> None:
        turns = Turns(1, 3)
        first, second, third, fourth = (turns.ask() for _ in range(4))
        assert [True, False, False, False] == [each.done() for each in (first, second, third, fourth)]
        assert (1, 3) == (turns.running, turns.waiting)
        turns.leave(second)
        assert (False, 2) == (third.done(), turns.waiting)
        turns.leave(first)
        assert (True, False) == (third.done(), fourth.done())
        turns.leave(third)
        turns.leave(fourth)
        assert (0, 0) == (turns.running, turns.waiting)

    asyncio.run(run())


def test_a_line_that_is_full_takes_no_more() -> None:
    """Who comes then is told so at once."""

    async def run() -> None:
        turns = Turns(1, 1)
        first, second = turns.ask(), turns.ask()
        with pytest.raises(Unavailable, match="too many queries are waiting: 1"):
            turns.ask()
        turns.leave(second)
        assert not turns.ask().done()
        assert first.done()

    asyncio.run(run())
