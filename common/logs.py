"""Log lines as Prometheus 3 writes them, `time=… level=INFO source=scrape msg="…" key=value`, or one JSON object each.

Loggers are the standard library's; pass facts as `extra={"facts": {"target": url}}` or with `facts(target=url)`.
"""

from __future__ import annotations

import json
import logging
import re
import sys
import traceback
from typing import Any, TextIO

from common.clock import rfc3339

LEVELS = ("debug", "info", "warn", "error")
FORMATS = ("logfmt", "json")

_BARE = re.compile(r"[^\s\"=\\\x00-\x1f\x7f-\x9f\u2028\u2029]+\Z")


def facts(**values: object) -> dict[str, dict[str, object]]:
    """The `extra` of a log call: `log.info("scrape done", extra=facts(target=url))`."""
    return {"facts": values}


class _Lines(logging.Formatter):
    def __init__(self, style: str) -> None:
        super().__init__()
        self._json = style == "json"

    def format(self, record: logging.LogRecord) -> str:
        level = "WARN" if record.levelno == logging.WARNING else record.levelname
        time = rfc3339(int(record.created * 1000))
        pairs: dict[str, Any] = {"time": time, "level": level, "source": record.name, "msg": record.getMessage()}
        pairs.update({key: str(value) for key, value in getattr(record, "facts", {}).items()})
        if record.exc_info and record.exc_info[1] is not None:
            pairs["error"] = repr(record.exc_info[1])
            pairs["trace"] = "".join(traceback.format_exception(record.exc_info[1])).strip()
        if self._json:
            return json.dumps(pairs, ensure_ascii=False)
        return " ".join(f"{key}={_value(value)}" for key, value in pairs.items())


def _value(text: str) -> str:
    return text if _BARE.match(text) else json.dumps(text, ensure_ascii=False)


def configure(level: str = "info", style: str = "logfmt", stream: TextIO | None = None) -> None:
    """Send the log of the whole process to `stream` (default: standard error)."""
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(_Lines(style))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING if level == "warn" else level.upper())
