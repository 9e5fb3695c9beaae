from typing import Any

import numpy as np
import numpy.typing as npt

from ruler.kernels.cells.gaps import Gaps
from ruler.model.arrays import FloatArray, IntArray

Bits = npt.NDArray[np.uint64]
Bytes = npt.NDArray[np.uint8]

class Residuals:
    columns: int
    rows: int
    nbytes: int
    def __init__(
        self,
        rows: int,
        forms: FloatArray,
        notes: Bytes,
        still: IntArray,
        moving: IntArray,
        bases: IntArray,
        described: Bytes,
        kin: npt.NDArray[np.uint16],
        residuals: tuple[npt.NDArray[Any], ...],
        gaps: Gaps | None,
    ) -> None: ...
    def times(self, interval: int, first: int, into: Bits) -> None: ...
