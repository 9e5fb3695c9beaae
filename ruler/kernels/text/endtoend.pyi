import numpy as np
import numpy.typing as npt

from ruler.model.arrays import FloatArray, IntArray

def count_cells(present: npt.NDArray[np.uint8] | None, steps: int, order: IntArray, offsets: IntArray) -> int: ...
def lay_end_to_end(
    values: FloatArray,
    present: npt.NDArray[np.uint8] | None,
    start: int,
    step_length: int,
    order: IntArray,
    offsets: IntArray,
    low: int,
    high: int,
    times: IntArray,
    into: FloatArray,
) -> None: ...
