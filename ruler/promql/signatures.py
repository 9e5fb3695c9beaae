"""The functions and aggregations of PromQL (Prometheus 3.14): what they take and give. How they work is elsewhere."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final


class ValueType(StrEnum):
    """The types of PromQL, in the words of its error messages and of the API."""

    SCALAR = "scalar"
    STRING = "string"
    VECTOR = "vector"
    MATRIX = "matrix"

    @property
    def documented(self) -> str:
        """The words of the documentation, which error messages use."""
        return _DOCUMENTED.get(self, self.value)


_DOCUMENTED = {ValueType.VECTOR: "instant vector", ValueType.MATRIX: "range vector"}

_SCALAR, _STRING, _VECTOR, _MATRIX = ValueType.SCALAR, ValueType.STRING, ValueType.VECTOR, ValueType.MATRIX

ANY_NUMBER: Final = -1


@dataclass(frozen=True, slots=True)
class Signature:
    """A Signature is what a function takes and gives.

    `variadic` arguments of the last type may be left out or repeated: of `len(args) - 1` that must be there, up to that
    many more (ANY_NUMBER: as many as wanted). Zero: exactly `args`.
    """

    name: str
    args: tuple[ValueType, ...]
    returns: ValueType = ValueType.VECTOR
    variadic: int = 0
    experimental: bool = False

    @property
    def fewest(self) -> int:
        return len(self.args) - (1 if self.variadic else 0)

    @property
    def most(self) -> int | None:
        """The largest number of arguments, None when there is none."""
        return None if self.variadic == ANY_NUMBER else self.fewest + self.variadic

    def arg_type(self, index: int) -> ValueType:
        """The type of the argument at `index`; those beyond the last are like it."""
        return self.args[min(index, len(self.args) - 1)]


def _each(names: str, *args: ValueType, variadic: int = 0, experimental: bool = False) -> tuple[Signature, ...]:
    """Functions that take the same arguments and give a vector."""
    return tuple(Signature(name, args, variadic=variadic, experimental=experimental) for name in names.split())


def _scalars(names: str, *, experimental: bool = False) -> tuple[Signature, ...]:
    """Functions without arguments that give a scalar."""
    return tuple(Signature(name, (), _SCALAR, experimental=experimental) for name in names.split())


_ALL = (
    *_each("abs absent ceil exp floor ln log10 log2 sgn sort sort_desc sqrt timestamp", _VECTOR),
    *_each("acos acosh asin asinh atan atanh cos cosh deg rad sin sinh tan tanh", _VECTOR),
    *_each("histogram_avg histogram_count histogram_stddev histogram_stdvar histogram_sum", _VECTOR),
    *_each("day_of_month day_of_week day_of_year days_in_month hour minute month year", _VECTOR, variadic=1),
    *_each("changes delta deriv idelta increase irate rate resets", _MATRIX),
    *_each("absent_over_time avg_over_time count_over_time first_over_time last_over_time", _MATRIX),
    *_each("max_over_time min_over_time present_over_time", _MATRIX),
    *_each("stddev_over_time stdvar_over_time sum_over_time", _MATRIX),
    *_each("predict_linear", _MATRIX, _SCALAR),
    *_each("quantile_over_time", _SCALAR, _MATRIX),
    *_each("clamp", _VECTOR, _SCALAR, _SCALAR),
    *_each("clamp_max clamp_min", _VECTOR, _SCALAR),
    *_each("round", _VECTOR, _SCALAR, variadic=1),
    *_each("histogram_fraction", _SCALAR, _SCALAR, _VECTOR),
    *_each("histogram_quantile", _SCALAR, _VECTOR),
    *_each("label_join", _VECTOR, _STRING, _STRING, _STRING, variadic=ANY_NUMBER),
    *_each("label_replace", _VECTOR, _STRING, _STRING, _STRING, _STRING),
    *_each("vector", _SCALAR),
    Signature("scalar", (_VECTOR,), _SCALAR),
    *_scalars("pi time"),
    *_scalars("start end step range", experimental=True),
    *_each("mad_over_time", _MATRIX, experimental=True),
    *_each("ts_of_first_over_time ts_of_last_over_time", _MATRIX, experimental=True),
    *_each("ts_of_max_over_time ts_of_min_over_time", _MATRIX, experimental=True),
    *_each("double_exponential_smoothing", _MATRIX, _SCALAR, _SCALAR, experimental=True),
    *_each("sort_by_label sort_by_label_desc", _VECTOR, _STRING, variadic=ANY_NUMBER, experimental=True),
    *_each("info", _VECTOR, _VECTOR, variadic=1, experimental=True),
    *_each("histogram_quantiles", _VECTOR, _STRING, _SCALAR, _SCALAR, variadic=9, experimental=True),
    *_each("start_timestamp", _VECTOR, experimental=True),
    Signature("max_of", (_SCALAR, _SCALAR), _SCALAR, experimental=True),
    Signature("min_of", (_SCALAR, _SCALAR), _SCALAR, experimental=True),
    Signature("timezone_offset", (_STRING,), _SCALAR, experimental=True),
)

SIGNATURES: Final = {signature.name: signature for signature in _ALL}

PARAMETERS: Final = {
    "bottomk": _SCALAR,
    "count_values": _STRING,
    "limit_ratio": _SCALAR,
    "limitk": _SCALAR,
    "quantile": _SCALAR,
    "topk": _SCALAR,
}
"""The type of the parameter of each aggregation that takes one."""

AGGREGATIONS: Final = frozenset(PARAMETERS) | {"avg", "count", "group", "max", "min", "stddev", "stdvar", "sum"}
