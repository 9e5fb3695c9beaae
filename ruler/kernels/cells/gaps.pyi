import numpy as np
import numpy.typing as npt

Bits = npt.NDArray[np.uint64]
Codes = npt.NDArray[np.uint32]

class Gaps:
    columns: int
    rows: int
    strange: int
    nbytes: int
    def __init__(
        self, rows: int, patterns: int, which: Codes, distances: Codes, kinds: npt.NDArray[np.uint8], cells: Bits
    ) -> None: ...
    def fill(self, others: Bits) -> None: ...
