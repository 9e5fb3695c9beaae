import numpy as np
import numpy.typing as npt

from ruler.model.arrays import FloatArray, IntArray

def mark_groups(
    values: FloatArray,
    present: npt.NDArray[np.uint8] | None,
    group_of: IntArray,
    found: npt.NDArray[np.uint8],
) -> int: ...
