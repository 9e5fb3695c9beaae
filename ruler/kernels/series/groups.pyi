import numpy as np
import numpy.typing as npt

from ruler.model.arrays import FloatArray, IntArray

def fold(
    operator: str,
    values: FloatArray,
    present: npt.NDArray[np.uint8] | None,
    group_of: IntArray,
    into: FloatArray,
    found: npt.NDArray[np.uint8],
) -> None: ...
def mark_any(marked: npt.NDArray[np.uint8], group_of: IntArray, into: npt.NDArray[np.uint8]) -> None: ...
