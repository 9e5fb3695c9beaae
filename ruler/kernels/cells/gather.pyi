import numpy as np
import numpy.typing as npt

from ruler.model.arrays import CodeArray, IntArray

Bits = npt.NDArray[np.uint64]

def gather_times(stored: Bits, slots: IntArray, into: IntArray, start: int, end: int) -> tuple[int, int]: ...
def gather_cells(cells: Bits, columns: IntArray, into: Bits, beside: bool = False) -> None: ...
def gather_last(
    cells: Bits,
    columns: IntArray,
    stored: Bits,
    slots: CodeArray,
    values: Bits,
    times: IntArray,
    places: IntArray,
    start: int,
    end: int,
) -> None: ...
