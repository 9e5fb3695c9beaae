"""/api/v1/query_exemplars: the exemplars of what an expression selects, in Prometheus's form."""

from __future__ import annotations

from common.labels import Labels
from common.textformat import Exemplar
from ruler.scrape.page.marks import Marked
from tests.ruler.api.conftest import World


def test_exemplars_of_the_series_that_are_selected(world: World) -> None:
    """Every selector of the expression counts, within the range of time; series are sorted, values are text."""
    ring = world.ruler._scraper.exemplars
    for number, name in enumerate(("b_bucket", "a_total", "c_total")):
        labels = Labels({"__name__": name, "job": "j"})
        ring.add([Marked(labels, Exemplar((("id", str(number)),), number / 2, 1_000 + number))], 0)
    path, query = "/api/v1/query_exemplars", 'rate(b_bucket[5m]) / on() sum({__name__=~"a_.+",job="j"} offset 1h)'
    whole = world.get(path, query=query)
    assert {
        "status": "success",
        "data": [
            {
                "seriesLabels": {"__name__": "a_total", "job": "j"},
                "exemplars": [{"labels": {"id": "1"}, "value": "0.5", "timestamp": 1.001}],
            },
            {
                "seriesLabels": {"__name__": "b_bucket", "job": "j"},
                "exemplars": [{"labels": {"id": "0"}, "value": "0", "timestamp": 1.0}],
            },
        ],
    } == whole
    assert whole["data"][:1] == world.get(path, query=query, start="1.001", end="2")["data"]
    assert [] == world.get(path, query="nothing")["data"]
    assert {"status": "success"} == world.get(path, query="1 + 2")
    assert "bad_data" == world.get(path, query="a_total", start="2", end="1")["errorType"]
    assert "bad_data" == world.get(path, query="a_total{")["errorType"]
