import numpy as np
import numpy.typing as npt

from ruler.model.arrays import CodeArray, IntArray

Bits = npt.NDArray[np.uint64]

def put_row(
    bits: Bits, places: IntArray | None, cells: Bits, columns: IntArray, since: CodeArray, row: int
) -> None: ...
def find_since(cells: Bits, times: Bits, slot_of: CodeArray, since: CodeArray) -> None: ...
