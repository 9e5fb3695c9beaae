from collections.abc import Sequence
from typing import Final

from ruler.model.arrays import CodeArray, IntArray

ZONE: Final = 64

def zones_of(codes: CodeArray, low: int, into: CodeArray) -> None: ...
def rows_that_have(
    codes: CodeArray,
    zones: CodeArray | None,
    terms: Sequence[tuple[int, bool, Sequence[int]]],
    low: int,
    high: int,
    into: IntArray,
) -> int: ...
