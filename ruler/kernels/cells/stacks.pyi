from collections.abc import Callable, Sequence

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
        at_hand: Sequence[object] | None = None,
        across: int = 1,
        since: CodeArray | None = None,
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
