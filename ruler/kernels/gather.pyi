import numpy as np
import numpy.typing as npt

from ruler.model.arrays import IntArray

def gather(
    cells: npt.NDArray[np.uint64],
    columns: IntArray,
    into: npt.NDArray[np.uint64],
    places: IntArray,
    beside: bool = False,
) -> None: ...
