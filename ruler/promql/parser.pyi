from dataclasses import dataclass
from typing import Final

from ruler.model.matcher import Matcher
from ruler.promql.ast import Expr

LONGEST_TEXT: Final = 1 << 20
DEEPEST_NESTING: Final = 128

@dataclass
class Query:
    text: Final[str]
    expr: Final[Expr]
    light: Final[bool]
    timed: Final[bool]

def parse(text: str) -> Expr: ...
def parsed(text: str) -> Query: ...
def parse_selector(text: str) -> tuple[Matcher, ...]: ...
