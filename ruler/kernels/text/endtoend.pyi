import numpy as np
import numpy.typing as npt

from ruler.model.arrays import FloatArray, IntArray

def count_cells(present: npt.NDArray[np.uint8], order: IntArray, counts: IntArray, offsets: IntArray) -> None: ...
def lay_end_to_end(
    values: FloatArray,
    present: npt.NDArray[np.uint8] | None,
    moments: IntArray,
    order: IntArray,
    offsets: IntArray,
    low: int,
    high: int,
    times: IntArray,
    into: FloatArray,
) -> None: ...
