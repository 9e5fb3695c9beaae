"""Recording rules: the result of an expression, stored under another name."""

from __future__ import annotations

import numpy as np

from common.labels import METRIC_NAME, Labels
from ruler.rule.config import RecordConfig
from ruler.rule.errors import RuleError
from ruler.rule.output import Output
from ruler.rule.rows import Ask, RowIds, vector_of
from ruler.rule.status import RuleKind, RuleStatus
from ruler.storage import REFUSED


class RecordingRule:
    """A RecordingRule stores its expression's result as series of its own name. Evaluated by one thread at a time."""

    def __init__(self, config: RecordConfig, ask: Ask, output: Output) -> None:
        self.config, self.output = config, output
        self._ask = ask
        self._changes = {METRIC_NAME: config.name, **dict(config.labels)}
        self._rows = RowIds(lambda labels: labels.replacing(self._changes))

    def evaluate(self, due: int, time: int, limit: int) -> int:
        """Evaluate at `time`, the data's time of the tick `due`, and store; how many samples that gave."""
        table, values = vector_of(self._ask(self.config.expr, time).value)
        ids = self._rows.ids(table, self.output)
        taken = ids[ids != REFUSED]
        if len(np.unique(taken)) < len(taken):
            raise RuleError("vector contains metrics with the same labelset after applying rule labels")
        if 0 < limit < len(ids):
            raise RuleError(f"exceeded limit of {limit} with {len(ids)} series")
        self.output.write(due, time, ids, values)
        return len(ids)

    def describe(self) -> RuleStatus:
        """The rule as it was written."""
        config = self.config
        return RuleStatus(
            kind=RuleKind.RECORDING, name=config.name, query=str(config.expr), labels=Labels(config.labels)
        )
