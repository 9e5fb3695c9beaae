"""The Content-Type of a page, as strict as Prometheus 3: what is missing or unknown fails the scrape."""

from __future__ import annotations

import re
from functools import lru_cache

from common.errors import ScrapeError, ScrapeFailure

_WORD = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
_MEDIA_TYPE = re.compile(rf"\s*({_WORD}/{_WORD}|{_WORD})\s*(?:;\s*{_WORD}=(?:{_WORD}|\"[^\"]*\")\s*)*;?\s*\Z")
_TEXT = "text/plain"


@lru_cache(maxsize=256)  # of those that pass: the same exporters say the same
def refuse_media_type(content_type: str) -> None:
    """Raise ScrapeError unless `content_type` says that the page is in the text format."""
    if not content_type:
        problem = "non-compliant scrape target sending blank Content-Type"
    elif (match := _MEDIA_TYPE.match(content_type)) is None:
        problem = f"cannot parse Content-Type {content_type!r}"
    elif match[1].lower() != _TEXT:
        problem = f"received unsupported Content-Type {content_type!r}"
    else:
        return
    raise ScrapeError(ScrapeFailure.BAD_BODY, problem)
