from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from ruler.kernels.cells.layers import Layer
from ruler.kernels.cells.residuals import Residuals
from ruler.model.arrays import CodeArray, FloatArray, IntArray

Bits = npt.NDArray[np.uint64]

class Source:
    def __init__(
        self,
        begin: int,
        end: int,
        columns: IntArray,
        low: int,
        places: IntArray | None = None,
        cells: Bits | None = None,
        load: Callable[[int], Residuals | None] | None = None,
        count: int = 0,
        across: int = 1,
    ) -> None: ...

def stacked_times(
    layers: list[Layer], base: int, height: int, start: int, end: int
) -> tuple[IntArray, CodeArray, int, int]: ...

class Stack:
    width: int
    height: int
    shape: tuple[int, int]
    def __init__(self, sources: list[Source], width: int, height: int) -> None: ...
    def values(self) -> FloatArray: ...

def take_last(
    layer: Layer, source: Source, values: Bits, times: IntArray, start: int, end: int, past_stale: bool
) -> int: ...
