from typing import Final

IDENTIFIER: Final = "identifier"
METRIC_IDENTIFIER: Final = "metric identifier"
STRING: Final = "string"
NUMBER: Final = "number"
DURATION: Final = "duration"
END: Final = "end of input"
ODD: Final = "odd"
MOST_PARTS: Final = 10_000

class Tokens:
    text: Final[str]
    kind: str
    piece: str
    problem: str
    start: int
    end: int
    parts: int
    aggregations: int
    timed: bool
    in_braces: bool
    in_brackets: bool
    after_duration: bool

    def __init__(self, text: str, words: dict[str, str], called: frozenset[str]) -> None: ...
    def advance(self) -> None: ...
    def accept(self, kind: str) -> bool: ...
    def node(self, start: int) -> tuple[int, int]: ...
