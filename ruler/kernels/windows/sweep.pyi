import numpy as np
import numpy.typing as npt

from ruler.model.arrays import CodeArray, FloatArray, IntArray

def sweep(
    name: str,
    values: FloatArray,
    times: IntArray,
    stream_of: CodeArray,
    begun: IntArray | None,
    now: IntArray,
    starts: IntArray,
    ends: IntArray,
    reach: int,
    scalars: FloatArray,
    into: FloatArray,
    present: npt.NDArray[np.uint8],
    places: IntArray,
    *,
    endings: bool = False,
    lookback: int = 0,
    smoothed: bool = False,
) -> tuple[int, int]: ...
