"""What Prometheus 3.5.3 says otherwise than 3.14, whose test suite the engine follows; and what no version settles.

Each is a rule with a name: it is told what was asked and both answers, and says whether it explains their difference.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from itertools import chain
from typing import NamedTuple

from common.labels import METRIC_NAME, Labels
from tests.ruler.promql.oracle.answers import Answer, Points, difference
from tests.ruler.promql.oracle.queries import Asked


class Rule(NamedTuple):
    """A Rule explains a difference."""

    why: str
    explains: Callable[[Asked, Answer, Answer, str], bool]


def explained(asked: Asked, theirs: Answer, ours: Answer) -> str:
    """Why the answers differ, if a rule knows; their difference itself is not empty."""
    found = difference(theirs, ours)
    return next((rule.why for rule in RULES if rule.explains(asked, theirs, ours, found)), "")


def alike(answer: Answer, asked: Asked) -> Answer:
    """The answer in words that both versions have."""
    notes = frozenset(_note(note, asked.text) for note in answer.notes if _SORT not in note)
    series = answer.series
    if "count_values" in asked.text:
        series = [(Labels((name, _rounded(text)) for name, text in each.items()), at) for each, at in series]
    error = _rounded(_ordered(answer.error.replace(' "<Item 57400>"', "")))
    return replace(answer, series=series, notes=notes, error=error)


def _rounded(text: str) -> str:
    """Numbers in a text may differ in their last digits, as other numbers may."""
    return re.sub(r"[\d.]{12,}", lambda found: f"{float(found[0]):.11g}" if found[0].count(".") < 2 else found[0], text)


_SORT = "sort is ineffective for range queries"  # newer


def _note(note: str, query: str) -> str:
    note = note.replace(' for metric name ""', "")  # newer ones say nothing of a metric without a name
    note = re.sub(r", from buckets .* with a max diff of .* over .* samples from \S+ to \S+", "", note)  # newer
    place = re.search(r"\((\d+):(\d+)\)$", note)
    if place is None:
        return note
    # Older ones point to the parenthesis around an argument, or into it.
    column = int(place[2])
    while query[column - 1 : column] == "(":
        column += 1
    return f"{_rounded(note[: place.start()])}({place[1]}:{column})"


def _ordered(error: str) -> str:
    """Two series that clash come in any order in older ones, sorted in newer ones."""
    pair = re.search(r"operation: \[(\{.*\}), (\{.*\})\];", error)
    return error if pair is None else error.replace(f"{pair[1]}, {pair[2]}", ", ".join(sorted(pair.groups())))


def _notes_left_out(_: Asked, theirs: Answer, ours: Answer, found: str) -> bool:
    kept = [{note for note in answer.notes if not note.endswith("annotations omitted")} for answer in (theirs, ours)]
    return found == "notes" and all(len(notes) >= 10 for notes in kept)


def _last_of_a_subquery(asked: Asked, _theirs: Answer, _ours: Answer, _found: str) -> bool:
    return re.search(r"last_over_time\(\(.*\)\[", asked.text) is not None


def _mad_of_nan(asked: Asked, _theirs: Answer, _ours: Answer, _found: str) -> bool:
    return "mad_over_time" in asked.text


def _name_lost_before(asked: Asked, theirs: Answer, ours: Answer, _: str) -> bool:
    if re.search(r"[<>=!]=?\s*(on|ignoring|\()", asked.text) is None:
        return False
    return "same labelset" in theirs.error + ours.error or not difference(_nameless(theirs), _nameless(ours))


def _nameless(answer: Answer) -> Answer:
    """The answer with one series for those that differ in their name alone."""
    merged: dict[Labels, Points] = {}
    for labels, points in answer.series:
        merged.setdefault(labels.without((METRIC_NAME,)), {}).update(points)
    return replace(answer, series=[(labels, dict(sorted(points.items()))) for labels, points in merged.items()])


def _named_from_the_first(asked: Asked, theirs: Answer, ours: Answer, _: str) -> bool:
    return " or " in asked.text and not difference(_nameless(theirs), _nameless(ours))


def _pairs_not_kept(_: Asked, theirs: Answer, ours: Answer, _found: str) -> bool:
    return not theirs.error and ours.error.startswith("multiple matches for labels")


def _which_clash(_: Asked, theirs: Answer, ours: Answer, found: str) -> bool:
    words = [re.sub(r"match group .* on the (\w+) hand.*", r"\1", answer.error) for answer in (theirs, ours)]
    return found == "error" and words[0] == words[1]


def _merged_labels(asked: Asked, theirs: Answer, ours: Answer, _: str) -> bool:
    merging = re.search(r"label_| or ", asked.text) is not None
    return merging and not asked.instant and not ours.error and "same labelset" in theirs.error


def _parameter(asked: Asked, theirs: Answer, ours: Answer, _: str) -> bool:
    words = ("Parameter value is NaN", "Ratio value", "Ratio value is NaN", "flows int64")
    chooses = re.search(r"(topk|bottomk|limitk|limit_ratio)\b", asked.text) is not None
    return chooses and any(word in theirs.error + ours.error for word in words)


def _among_equals(asked: Asked, theirs: Answer, ours: Answer, _: str) -> bool:
    choosing = re.findall(r"\b(?:topk|bottomk|limitk)\b", asked.text)
    if not choosing:
        return False
    if theirs.kind != ours.kind:
        return "same labelset" in theirs.error + ours.error
    at_top = re.match(r"(topk|bottomk|limitk)\b", asked.text)
    if at_top is None or len(choosing) > 1:
        return True
    mine, other = ([points.items() for _, points in answer.series] for answer in (theirs, ours))
    left, right = (
        sorted((time, "" if at_top[1] == "limitk" else repr(abs(value))) for time, value in chain(*each))
        for each in (mine, other)
    )
    return left == right


def _worst_share(asked: Asked, _theirs: Answer, _ours: Answer, found: str) -> bool:
    return found == "notes" and re.search(r"quantile\s*(by|without)?[^(]*\(.*(time\(\)|scalar)", asked.text) is not None


def _edge_in_a_parameter(asked: Asked, _theirs: Answer, _ours: Answer, _found: str) -> bool:
    choosing = r"(quantile|topk|bottomk|limitk|limit_ratio)\b.*scalar\(.*@ (start|end)\(\)"
    return re.search(choosing, asked.text) is not None


def _at_within_at(asked: Asked, _theirs: Answer, _ours: Answer, _found: str) -> bool:
    return re.search(r" @ .*\)\[[^]]*:[^]]*\]( offset \S+)?( @ | offset -)", asked.text) is not None


def _offset_and_at(asked: Asked, _theirs: Answer, _ours: Answer, _found: str) -> bool:
    return re.search(r"timestamp\([^()]* @ [^()]* offset ", asked.text) is not None


def _either_side(_: Asked, theirs: Answer, ours: Answer, found: str) -> bool:
    told = [{re.sub(r" \(\d+:\d+\)$", "", note) for note in answer.notes} for answer in (theirs, ours)]
    return found == "notes" and told[0] == told[1] and any("histogram" in note for note in told[0])


def _either_fault(_: Asked, theirs: Answer, ours: Answer, found: str) -> bool:
    faults = ("found duplicate series for the match group", "multiple matches for labels")
    return found == "error" and theirs.error.startswith(faults) and ours.error.startswith(faults)


def _between_the_steps(asked: Asked, theirs: Answer, ours: Answer, found: str) -> bool:
    if asked.instant or re.search(r"\[[^]]*:[^]]*\]", asked.text) is None:
        return False
    return found == "notes" or theirs.error + ours.error != ""


def _sign_of_zero(asked: Asked, theirs: Answer, ours: Answer, _: str) -> bool:
    if re.search(r"\b(min|max)\b|quantile", asked.text) is None:
        return False
    return not difference(_unsigned(theirs), _unsigned(ours))


def _unsigned(answer: Answer) -> Answer:
    series = [(labels, {time: value + 0.0 for time, value in points.items()}) for labels, points in answer.series]
    return replace(answer, series=series)


def _last_digits(asked: Asked, _theirs: Answer, _ours: Answer, found: str) -> bool:
    rounds = re.search(
        r"\^|\b(exp|ln|log2|log10|sinh|cosh|tanh|asinh|acosh|atanh|asin|acos|atan)\(|\batan2\b", asked.text
    )
    makes_much = re.search(r"%|\b(sin|cos|tan)\(|\b(acos|asin|acosh|atanh)\(.*\b(exp|tanh|cosh|sinh)\(", asked.text)
    return found == "values" and rounds is not None and makes_much is not None


def _variance(asked: Asked, theirs: Answer, ours: Answer, _: str) -> bool:
    return re.search(r"stddev|stdvar", asked.text) is not None and not difference(theirs, ours, tolerance=1e-6)


RULES = (
    Rule("a variance of large numbers is made of their last digits", _variance),
    Rule("remainders, large angles and arcs near 1 are made of last digits, which powers round", _last_digits),
    Rule("no version moves an @ below a subquery whose first step is the query's own", _at_within_at),
    Rule("timestamp() forgets the offset of a selector with @, in every version", _offset_and_at),
    Rule("what both sides of an operator tell of histograms is told of either", _either_side),
    Rule("of two faults of a matching at different steps either is told", _either_fault),
    Rule("a subquery may fail, or tell something, at a moment that no step sees", _between_the_steps),
    Rule("which of 0 and -0 comes first depends on the order of series, or is not settled", _sign_of_zero),
    Rule("no version heeds @ start() and @ end() in the parameter of an aggregation", _edge_in_a_parameter),
    Rule("of more than ten notes any ten are told", _notes_left_out),
    Rule("last_over_time of a subquery kept names that were to go, until 3.11", _last_of_a_subquery),
    Rule("mad_over_time left NaN out, until 3.6", _mad_of_nan),
    Rule("a comparison of vectors forgets that a name was to go; here it does not come back", _name_lost_before),
    Rule("whether a name goes is said by a series' first sample, or by each", _named_from_the_first),
    Rule("newer ones look for several matches also where the comparison does not hold", _pairs_not_kept),
    Rule("which of several clashes is told depends on the order of series", _which_clash),
    Rule("series that come out alike and never meet are merged, since 3.6", _merged_labels),
    Rule("the parameter of topk and its kin is checked before there are samples, in other words", _parameter),
    Rule("which of several equal series is chosen is not settled", _among_equals),
    Rule("quantile tells of the worst share alone, since 3.6", _worst_share),
)
