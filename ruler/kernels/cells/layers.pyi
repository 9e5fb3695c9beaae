from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from ruler.model.arrays import BoolArray, CodeArray, IntArray

Bits = npt.NDArray[np.uint64]

class Outline:
    interval: int
    first: int
    ahead: int
    behind: int
    def __init__(
        self,
        interval: int,
        first: int,
        slot_of: CodeArray,
        first_row: CodeArray,
        last_row: CodeArray,
        slot_first: CodeArray,
        slot_last: CodeArray,
        times: Bits,
    ) -> None: ...
    def rows_about(self, start: int, end: int) -> tuple[int, int]: ...

class Layer:
    page: Any
    columns: IntArray
    low: int
    high: int
    count: int
    erasures: tuple[Any, ...]
    whole: bool
    def __init__(self, page: Any, columns: IntArray, low: int, high: int, erasures: tuple[Any, ...]) -> None: ...
    def among(self, series: slice | IntArray) -> Layer: ...

def extent(layers: list[Layer]) -> tuple[int, int, int]: ...
def find_layers(
    leaves: tuple[Any, ...],
    selected: Any,
    start: int,
    end: int,
    plane: int,
    records: tuple[Any, ...],
    touching: Callable[..., tuple[Any, ...]],
) -> list[Layer]: ...
def columns_of(page: Any, series_wanted: IntArray) -> list[IntArray]: ...
def clashing(layers: list[Layer]) -> BoolArray | None: ...
