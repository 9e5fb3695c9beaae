import numpy as np
import numpy.typing as npt

from ruler.model.arrays import CodeArray, IntArray

def find_columns(known: IntArray, columns: IntArray, series: IntArray, nth: int, into: IntArray) -> int: ...
def alive(columns: IntArray, first_row: CodeArray, last_row: CodeArray, low: int, high: int, into: IntArray) -> int: ...
def clashing(
    columns: IntArray,
    slot_of: CodeArray,
    slot_first: CodeArray,
    slot_last: CodeArray,
    tick: int,
    until: IntArray,
    clash: npt.NDArray[np.uint8],
) -> int: ...
