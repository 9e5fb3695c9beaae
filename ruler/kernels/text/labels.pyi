from collections.abc import Callable

from ruler.model.arrays import CodeArray

def label_sets(names: tuple[str, ...], codes: CodeArray, text: Callable[[int], str]) -> list[bytes]: ...
