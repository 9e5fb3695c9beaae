"""The engine: from a query's text to its Result. Knows the limits of a query; between queries it keeps a tally alone.

Time is an argument; the only clock read is the machine's monotonic one, for deadlines.
"""

from __future__ import annotations

import time as clock
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np

from common.errors import QueryError, TooManySamples
from ruler.model.result import Matrix, Result, Scalar, Spent, String, Vector
from ruler.promql.ast import Expr, MatrixSelector, Subquery
from ruler.promql.durations import resolved
from ruler.promql.evaluate import Evaluation
from ruler.promql.frame import moments, unlabelled_frame
from ruler.promql.limits import Limits
from ruler.promql.notes import Notes
from ruler.promql.parser import parse
from ruler.promql.results import at_once, over_steps, samples_of
from ruler.promql.sharing import Share
from ruler.promql.signatures import ValueType
from ruler.promql.tally import Tally
from ruler.promql.walk import bare
from ruler.storage import Queryable

MINUTE = 60_000


class Engine:
    """An Engine answers PromQL queries from a storage. Any number of threads may use it at once.

    `subquery_step` (ms) is the step of subqueries that name none; it may be changed between queries.
    """

    def __init__(
        self,
        storage: Queryable,
        *,
        lookback: int = 5 * MINUTE,
        max_samples: int = 50_000_000,
        timeout: float = 120.0,
        subquery_step: int = MINUTE,
    ) -> None:
        self._storage = storage
        self._lookback = lookback
        self._max_samples = max_samples
        self._timeout = timeout
        self.subquery_step = subquery_step
        self.tally = Tally()

    def instant(
        self,
        query: str | Expr,
        time: int,
        *,
        text: str = "",
        deadline: float | None = None,
        lookback: int | None = None,
        cancelled: Callable[[], bool] | None = None,
        limits: Limits | None = None,
    ) -> Result:
        """The value of a query at one time (ms). `deadline` is on `time.monotonic()`; raises QueryError.

        A query that was parsed before may come with its `text`, so that notes can say which place they are about.
        `limits` stand for those that `deadline` and `cancelled` would make.
        """
        begun = clock.perf_counter()
        limits = limits or self.limits(deadline, cancelled)
        expr, evaluation = self._prepared(query, text, (time, time, 0), lookback, limits)
        prepared = clock.perf_counter()
        grid = moments(time, time, 1)
        with _arithmetic():
            plain = bare(expr)
            if isinstance(plain, MatrixSelector | Subquery):
                value: Scalar | String | Vector | Matrix = samples_of(evaluation, evaluation.ranged(plain, grid))
            else:
                value = at_once(evaluation.value(expr, grid), time)
        evaluated = clock.perf_counter()
        spent = Spent(prepared - begun, evaluated - prepared, None, limits.samples, limits.peak)
        self.tally.add(spent)
        return Result(value, evaluation.notes.warnings, evaluation.notes.infos, spent)

    def range(
        self,
        query: str | Expr,
        start: int,
        end: int,
        step: int,
        *,
        text: str = "",
        deadline: float | None = None,
        lookback: int | None = None,
        cancelled: Callable[[], bool] | None = None,
        limits: Limits | None = None,
    ) -> Result:
        """The values of a query from `start` to `end`, `step` apart (ms), sorted by labels; raises QueryError."""
        begun = clock.perf_counter()
        limits = limits or self.limits(deadline, cancelled)
        limits.charge((end - start) // step)
        grid = moments(start, max(start, end), step)
        expr, evaluation = self._prepared(query, text, (start, end, step), lookback, limits)
        prepared = clock.perf_counter()
        if expr.type not in (ValueType.SCALAR, ValueType.VECTOR):
            wrong = expr.type.documented
            raise QueryError(f'invalid expression type "{wrong}" for range query, must be Scalar or instant Vector')
        with _arithmetic():
            if expr.type is ValueType.SCALAR:
                frame = unlabelled_frame(evaluation.scalar(expr, grid), evaluation.strings)
            else:
                frame = evaluation.vector(expr, grid)
            evaluated = clock.perf_counter()
            matrix = over_steps(frame, grid, limits)
        ordered = clock.perf_counter()
        spent = Spent(prepared - begun, evaluated - prepared, ordered - evaluated, limits.samples, limits.peak)
        self.tally.add(spent)
        return Result(matrix, evaluation.notes.warnings, evaluation.notes.infos, spent)

    def limits(
        self,
        deadline: float | None = None,
        cancelled: Callable[[], bool] | None = None,
        *,
        most: int | None = None,
        share: Share | None = None,
    ) -> Limits:
        """What a query may use that must be done at `deadline`, and may load `most` samples, at most."""
        latest = clock.monotonic() + self._timeout
        cells = self._max_samples if most is None else min(most, self._max_samples)
        return Limits(cells, latest if deadline is None else min(latest, deadline), cancelled, share)

    def _prepared(
        self,
        query: str | Expr,
        text: str,
        asked: tuple[int, int, int],
        lookback: int | None,
        limits: Limits,
    ) -> tuple[Expr, Evaluation]:
        text = query if isinstance(query, str) else text
        notes = Notes(text)
        expr = resolved(parse(query) if isinstance(query, str) else query, *asked, text)
        evaluation = Evaluation(
            self._storage,
            asked,
            lookback=self._lookback if lookback is None else lookback,
            default_step=self.subquery_step,
            limits=limits,
            notes=notes,
        )
        return expr, evaluation


@contextmanager
def _arithmetic() -> Iterator[None]:
    """Numbers overflow and divide by zero quietly here, and running out of memory is the query's fault."""
    try:
        with np.errstate(all="ignore"):
            yield
    except MemoryError:
        raise TooManySamples("query processing needs more memory than there is") from None
