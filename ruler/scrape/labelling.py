"""The labels of a line → those of its series: the target's joined in, then relabelled, then held against the limits.

Called once for each line that is new. Knows no series ids and no values.
"""

from __future__ import annotations

import json

from common.labels import METRIC_NAME, Labels, is_label_name, is_metric_name
from common.textformat import LabelPairs
from ruler.scrape.config import ScrapeSettings
from ruler.scrape.page.parse import BadNames, OverLabelLimit
from ruler.scrape.relabel import relabel

_SHOWN = 50  # characters of a name or a value that an error repeats


class SampleLabels:
    """SampleLabels turn the labels of a line into those of its series."""

    def __init__(self, target: Labels, job: ScrapeSettings) -> None:
        self._target, self._honor, self._rules = target, job.honor_labels, job.metric_relabel_configs
        self._most, self._name_length = job.label_limit, job.label_name_length_limit
        self._value_length = job.label_value_length_limit
        self._legacy = job.legacy_names
        self._limited = bool(self._most or self._name_length or self._value_length)

    def __call__(self, pairs: LabelPairs) -> Labels | None:
        """The series of a line, or None when its samples are dropped; raises OverLabelLimit or BadNames."""
        labels = dict(pairs)
        if self._honor:
            labels = {**self._target, **labels}  # a label that the line has, even an empty one, is the line's
        else:
            taken = {name: labels[name] for name in self._target if labels.get(name)}
            labels.update(self._target)
            for name in sorted(taken, key=len):
                exported = f"exported_{name}"
                while labels.get(exported):
                    exported = f"exported_{exported}"
                labels[exported] = taken[name]
        relabelled = relabel(labels, self._rules, legacy=self._legacy) if self._rules else labels
        series = Labels(relabelled) if relabelled else None
        if series is not None and self._legacy:
            _refuse_names(series)
        if series is not None and self._limited:
            self._refuse(series)
        return series

    def _refuse(self, labels: Labels) -> None:
        """Raise OverLabelLimit for the first limit that these labels exceed; lengths are bytes, as in Prometheus."""
        metric = f"metric: {labels.get(METRIC_NAME, '')[:_SHOWN]}"
        if 0 < self._most < len(labels):
            problem = f"label_limit exceeded ({metric}, number of labels: {len(labels)}, limit: {self._most})"
            raise OverLabelLimit(problem)
        for name, value in labels.items():
            shown = f"{metric}, label name: {name[:_SHOWN]}"
            if 0 < self._name_length < (length := len(name.encode())):
                problem = f"label_name_length_limit exceeded ({shown}, length: {length}, limit: {self._name_length})"
                raise OverLabelLimit(problem)
            if 0 < self._value_length < (length := len(value.encode())):
                shown += f", value: {json.dumps(value[:_SHOWN], ensure_ascii=False)}"
                problem = f"label_value_length_limit exceeded ({shown}, length: {length}, limit: {self._value_length})"
                raise OverLabelLimit(problem)


def _refuse_names(labels: Labels) -> None:
    """Raise BadNames unless all names could be written without quotes."""
    if not is_metric_name(labels.get(METRIC_NAME, "_")) or not all(map(is_label_name, labels)):
        raise BadNames(f"invalid metric name or label names: {labels}")
