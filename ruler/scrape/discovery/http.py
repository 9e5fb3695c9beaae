"""http_sd: a URL that lists target groups as JSON."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Sequence
from concurrent.futures import Executor
from functools import partial
from http import HTTPStatus

from common.durations import SECOND
from common.errors import DiscoveryError, ScrapeError
from ruler.scrape.config import HTTPDiscovery
from ruler.scrape.discovery.groups import MAX_BYTES, Found, targets_in_json
from ruler.scrape.discovery.metrics import DiscoveryMetrics
from ruler.scrape.http.ask import Answer, ask
from ruler.scrape.http.client import client_of
from ruler.scrape.target import META

URL = META + "url"

_JSON = re.compile(r'application/json(;\s*charset=("utf-8"|utf-8))?', re.IGNORECASE)


class HTTPDiscoverer:
    """An HTTPDiscoverer asks the URL of one http_sd_config; raises ConfigError when its certificates cannot be used."""

    mechanism = "http"
    refreshes = True

    def __init__(self, settings: HTTPDiscovery, metrics: DiscoveryMetrics, pool: Executor) -> None:
        self.interval = settings.refresh_interval
        self._url, self._metrics, self._pool = settings.url, metrics, pool
        self._client = client_of(settings, MAX_BYTES)
        self._headers = {
            "Accept": "application/json",
            "X-Prometheus-Refresh-Interval-Seconds": written_seconds(settings.refresh_interval),
        }

    async def refresh(self) -> Sequence[Found]:
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self.interval / SECOND
        try:
            answer = await ask(self._url, self._client, deadline=deadline, headers=self._headers)
            list_ = json_of(answer)
            mark = {URL: self._url.redacted}
            return await loop.run_in_executor(self._pool, partial(targets_in_json, list_, mark))
        except (ScrapeError, ValueError) as error:
            self._metrics.http_failures.inc()
            raise DiscoveryError(str(error)) from None

    def close(self) -> None:
        """Nothing is kept open."""


def json_of(answer: Answer) -> bytes:
    """The JSON that an answer holds; raises ValueError when it holds none."""
    if answer.status != 200:
        raise ValueError(f"server returned HTTP status {status_text(answer.status)}")
    media = answer.headers.get("content-type", "").strip()
    if not _JSON.fullmatch(media):
        raise ValueError(f"unsupported content type {media!r}: it must be application/json")
    return answer.body


def written_seconds(length: int) -> str:
    """A length of time (ms) in seconds, without an exponent and without zeros behind the point."""
    return f"{length / SECOND:.3f}".rstrip("0").rstrip(".")


def status_text(status: int) -> str:
    """A status as HTTP writes it: its number and what it is called."""
    try:
        return f"{status} {HTTPStatus(status).phrase}"
    except ValueError:
        return str(status)
