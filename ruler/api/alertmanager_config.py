"""The notification config as an alertmanager.yml that Alertmanager's own tools can load, for /api/v2/status.

Apprise destinations are comments in it: amtool knows no such key, and shows routes and receivers all the same.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import yaml

from common.durations import format_duration
from ruler.dispatch.config import BY_ALL_LABELS
from ruler.dispatch.matchers import write_matcher
from ruler.dispatch.route import Route, Timing
from ruler.notify.receiver import Receiver


def alertmanager_yml(routes: Route, receivers: Sequence[Receiver], resolve_timeout: int) -> str:
    """The config text, without secrets."""
    head = {"global": {"resolve_timeout": format_duration(resolve_timeout)}, "route": _route(routes, None)}
    return yaml.safe_dump(head, sort_keys=False, allow_unicode=True) + "\n".join(_receivers(receivers)) + "\n"


def _receivers(receivers: Sequence[Receiver]) -> Iterator[str]:
    yield "receivers:"
    for receiver in receivers:
        yield "- name: " + yaml.safe_dump(receiver.name, default_style='"', width=10_000, allow_unicode=True).strip()
        yield from (f"  # to: {destination.shown}" for destination in receiver.destinations)


def _route(route: Route, parent: Route | None) -> dict[str, Any]:
    """A route, less what it has from the route above."""
    written: dict[str, Any] = {"receiver": route.receiver}
    if parent is None or route.group_by != parent.group_by:
        written["group_by"] = [BY_ALL_LABELS] if route.group_by is None else sorted(route.group_by)
    if route.matchers:
        written["matchers"] = [write_matcher(matcher) for matcher in route.matchers]
    if route.goes_on:
        written["continue"] = True
    above = parent.timing if parent is not None else Timing()
    for name in ("group_wait", "group_interval", "repeat_interval"):
        if getattr(route.timing, name) != getattr(above, name):
            written[name] = format_duration(getattr(route.timing, name))
    if route.routes:
        written["routes"] = [_route(child, route) for child in route.routes]
    return written
