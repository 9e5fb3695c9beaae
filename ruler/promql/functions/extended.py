"""rate, increase, delta, changes, resets of windows that look beyond their edges: nothing is extrapolated."""

from __future__ import annotations

import numpy as np

from ruler.promql.extended import edges_of
from ruler.promql.functions.neighbours import Compare, add_lost, changed, count_pairs, fell
from ruler.promql.window import Result, Windows


def rate(windows: Windows) -> Result:
    risen, present = increase(windows)
    return risen / (windows.reach / 1000), present


def increase(windows: Windows) -> Result:
    edges = edges_of(windows, counter=True)
    opening, closing = edges.opening, edges.closing
    lost = np.where(opening.here & (opening.values < edges.left), edges.left, 0.0)
    add_lost(windows, lost)
    last = np.where(closing.here, closing.values, edges.left)
    lost += np.where(edges.right < last, last, 0.0)
    return edges.right - edges.left + lost, edges.present


def delta(windows: Windows) -> Result:
    edges = edges_of(windows, counter=False)
    return edges.right - edges.left, edges.present


def changes(windows: Windows) -> Result:
    return _counted(windows, changed)


def resets(windows: Windows) -> Result:
    return _counted(windows, fell)


def _counted(windows: Windows, compare: Compare) -> Result:
    """The pairs within a window, and that of its first sample with the one that it is anchored to."""
    edges = edges_of(windows, counter=False)
    found, here = count_pairs(windows, compare)
    return found + compare(edges.left, edges.opening.values), here
