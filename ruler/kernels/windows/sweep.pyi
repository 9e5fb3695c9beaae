from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from ruler.kernels.cells.stacks import Stack
from ruler.model.arrays import CodeArray, FloatArray, IntArray

HEAVY_ONES: frozenset[str]

def sweep(
    name: str,
    cells: FloatArray | Stack,
    times: IntArray,
    stream_of: CodeArray,
    begun: IntArray | None,
    ends: IntArray,
    reach: int,
    into: FloatArray,
    present: npt.NDArray[np.uint8],
    column: int,
    check: Callable[[], None],
    *,
    places: IntArray | None = None,
    left: int = 0,
    right: int = -1,
    starts: IntArray | None = None,
    now: IntArray | None = None,
    scalars: FloatArray | None = None,
    lookback: int = 0,
    smoothed: bool = False,
) -> tuple[int, int]: ...
