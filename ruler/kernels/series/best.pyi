import numpy as np
import numpy.typing as npt

from ruler.model.arrays import FloatArray, IntArray

def keep_best(
    sign: float,
    wanted: IntArray,
    values: FloatArray,
    present: npt.NDArray[np.uint8] | None,
    group_of: IntArray,
    groups: int,
    kept: npt.NDArray[np.uint8],
) -> None: ...
def keep_first(
    wanted: IntArray,
    values: FloatArray,
    present: npt.NDArray[np.uint8] | None,
    group_of: IntArray,
    groups: int,
    kept: npt.NDArray[np.uint8],
) -> None: ...
