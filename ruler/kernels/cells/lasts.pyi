from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from ruler.kernels.cells.layers import Layer
from ruler.kernels.cells.stacks import Source
from ruler.model.arrays import FloatArray, IntArray

class LastSamples:
    width: int
    count: int
    def __init__(
        self,
        layers: list[Layer],
        read: Callable[[Layer, int, int, int], Source],
        first: int,
        step: int,
        count: int,
        reach: int,
        past_stale: bool,
    ) -> None: ...
    def sweep(
        self,
        name: str,
        into: FloatArray,
        present: npt.NDArray[np.uint8],
        column: int,
        check: Callable[[], None],
        *,
        places: IntArray | None = None,
        left: int = 0,
        right: int = -1,
    ) -> tuple[int, int]: ...
    def samples(self) -> tuple[FloatArray, IntArray]: ...
