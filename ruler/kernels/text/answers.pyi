from collections.abc import Callable, Iterator

from ruler.model.arrays import CodeArray, FloatArray, IntArray

class Answer(Iterator[bytes]):
    def __init__(
        self,
        names: tuple[str, ...],
        codes: CodeArray,
        text: Callable[[int], str],
        values: FloatArray,
        time: int = 0,
        times: IntArray | None = None,
        offsets: IntArray | None = None,
        head: bytes = b"",
        tail: bytes = b"",
    ) -> None: ...
    def __next__(self) -> bytes: ...
