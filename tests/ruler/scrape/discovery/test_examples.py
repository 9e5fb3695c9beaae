"""What docs/scraping.md shows of discovery works as it stands there."""

from __future__ import annotations

import asyncio
import re
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from prometheus_client import CollectorRegistry

from common.secrets import Url
from ruler.scrape.config import HTTPDiscovery
from ruler.scrape.discovery.http import HTTPDiscoverer
from ruler.scrape.discovery.metrics import DiscoveryMetrics
from ruler.scrape.discovery.sources import discoveries_of
from tests.peers import free_port, program
from tests.ruler.scrape.world import jobs_of

PAGE = Path(__file__).parents[4] / "docs/scraping.md"


def examples(language: str) -> list[str]:
    """What stands in blocks of this language."""
    return re.findall(rf"```{language}\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)


def test_the_program_for_any_other_source_is_one(tmp_path: Path) -> None:
    """The ten lines that the page offers list targets for http_sd; only the port is another here."""
    (text,) = examples("python")
    url = f"http://127.0.0.1:{free_port()}"
    script = tmp_path / "targets.py"
    script.write_text(text.replace("8000", url.rpartition(":")[2]))

    async def refreshed() -> list[dict[str, str]]:
        with ThreadPoolExecutor(1) as pool:
            settings = HTTPDiscovery(url=Url(url))
            return list(await HTTPDiscoverer(settings, DiscoveryMetrics(CollectorRegistry()), pool).refresh())

    with program([sys.executable, str(script)], url, tmp_path / "log"):
        found = asyncio.run(refreshed())
    assert 20 == len(found)
    assert {"__address__": "10.0.0.1:9100", "rack": "r1", "__meta_url": url} == found[0]


def test_the_settings_for_each_kind_load() -> None:
    """Each example is a part of a job that names sources."""
    kinds = []
    for example in examples("yaml"):
        indented = example.replace("\n", "\n  ")
        (job,) = jobs_of(f"- job_name: j\n  {indented}")
        kinds += [type(each).__name__ for each in discoveries_of(job)]
    assert ["FileDiscovery", "HTTPDiscovery", "DNSDiscovery", "DNSDiscovery", "DockerDiscovery"] == kinds
