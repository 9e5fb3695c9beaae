import numpy as np
import numpy.typing as npt

from ruler.model.arrays import CodeArray, IntArray

def varying(codes: CodeArray) -> list[int]: ...
def count_ranks(
    number_of: IntArray,
    ranks: IntArray,
    absent: int,
    follows: npt.NDArray[np.uint8],
    rank_of: IntArray,
    starts: IntArray,
    low: int,
    high: int,
) -> None: ...
def rising(rows: IntArray) -> bool: ...
def put_in_order(rank_of: IntArray, starts: IntArray, order: IntArray, into: IntArray, low: int, high: int) -> None: ...
