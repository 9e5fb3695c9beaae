"""The only door to Apprise (≥ 2.2): one URL in, one Transport out. Imported late: it costs 0.3 s and 30 MiB.

Apprise logs why something failed, and URLs are secrets: what its log says reaches an error or our log only after every
part of the URL that may be one was taken out.
"""

from __future__ import annotations

import hashlib
import logging
import re
import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, quote_plus, unquote, urlencode, urlsplit

from common.errors import DeliveryError
from common.secrets import REDACTED, Secret
from ruler.model.alert import Notification
from ruler.notify.message import MAX_BODY, Message, Tone, compose

MAX_REASON = 500
_URL = re.compile(r"\b(\w+://)[^\s'\"]+")

LEAST_SECRET = 4  # shorter parts of a URL are words like `to`, not secrets; a password is taken out at any length

_STATUS = re.compile(r"\berror\s*[=:]\s*(\d{3})\b")
_LATER = frozenset((408, 409, 421, 423, 425, 429))  # of the 4xx, those that another attempt may mend


@lru_cache(maxsize=1)
def _apprise() -> Any:
    """The library with all its plugins, and with its log kept to itself: we word what it says."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of the old modules that its plugins import
        import apprise  # noqa: PLC0415  (slow, and only who notifies pays for it)

        library: Any = apprise
        library.manager_plugins.NotificationManager().load_modules()
    logger = logging.getLogger("apprise")
    logger.setLevel(logging.INFO)
    logger.propagate = False
    return library


def shown(url: str) -> str:
    """A URL as it may be printed: `slack://<secret>`."""
    schema, separator, _ = url.partition("://")
    return f"{schema}://{REDACTED}" if separator else REDACTED


class AppriseTransport:
    """An AppriseTransport tells through one Apprise URL.

    Pagers that close an incident by its key get one made from the group key: `dedup` (or Opsgenie's `alias`).
    `storage` is where Apprise may keep what it must remember of a service across restarts.
    """

    def __init__(
        self, url: Secret, *, title: str | None = None, body: str | None = None, storage: Path | None = None
    ) -> None:
        self._url, self._title, self._text = url.reveal(), title, body
        self._storage = storage
        plugin = self._plugin(self._url)
        self._secrets = _secrets(self._url, plugin)
        self._mapped = _mapping(plugin, self._url)
        self._limit = min(MAX_BODY, plugin.body_maxlen)
        if plugin.title_maxlen <= 0:  # the title becomes the first line of the body
            self._limit -= self._limit // 5
        self._sender = None if self._mapped else self._loaded(self._url)

    @property
    def integration(self) -> str:
        return "apprise"

    def send(self, notification: Notification) -> str:
        message = compose(notification, self._limit)
        message = Message(self._title or message.title, self._text or message.body, message.tone)
        return self.deliver(message, notification.group_key)

    def deliver(self, message: Message, group_key: str) -> str:
        """Send one message; what the service answered. Raises DeliveryError."""
        apprise = _apprise()
        result = (self._sender or self._keyed(group_key)).notify(
            title=message.title,
            body=message.body,
            notify_type=apprise.NotifyType(message.tone.value),
            body_format=apprise.NotifyFormat.TEXT,
            log_level=logging.INFO,
        )
        entries = [entry for each in result.results for entry in each.logs()]
        if result:
            return self._told(entry.message for entry in entries) or "sent"
        bad = [entry.message for entry in entries if entry.level in ("WARNING", "ERROR", "CRITICAL")]
        reason = self._told(bad) or "not sent, and Apprise does not say why"
        statuses = [int(status) for line in bad for status in _STATUS.findall(line)]
        permanent = bool(statuses) and all(400 <= status < 500 and status not in _LATER for status in statuses)
        raise DeliveryError(
            f"{shown(self._url)}: {reason}", permanent=permanent, status=statuses[-1] if statuses else 0
        )

    def _told(self, lines: Iterable[str]) -> str:
        text = "; ".join(dict.fromkeys(line.strip() for line in lines if line.strip()))
        return scrubbed(text, self._secrets)[:MAX_REASON]

    def _keyed(self, group_key: str) -> Any:
        digest = hashlib.sha256(group_key.encode()).hexdigest()  # Alertmanager's key for the same group
        values = {name: value or digest for name, value in self._mapped.items()}
        return self._loaded(self._url + ("&" if urlsplit(self._url).query else "?") + urlencode(values))

    def _loaded(self, url: str) -> Any:
        sender = _apprise().Apprise()
        sender.add(self._plugin(url))
        return sender

    def _plugin(self, url: str) -> Any:
        """The plugin for `url`; raises DeliveryError when there is none or it wants more."""
        apprise = _apprise()
        schema, separator, _ = url.partition("://")
        if not separator:
            raise DeliveryError("not an Apprise URL (write it like slack://… or mailto://…)", permanent=True)
        # Without a time limit of its own, Apprise sends in our thread instead of a pool that slow receivers share.
        storing = {"storage_path": str(self._storage), "storage_mode": "flush"} if self._storage else {}
        asset = apprise.AppriseAsset(
            app_id="Tocsin",
            app_desc="Tocsin",
            app_url="",
            async_mode=False,
            service_timeout=0,
            allow_templates=False,
            **storing,
        )
        with apprise.LogCapture(level=logging.WARNING, fmt="%(message)s") as captured:
            plugin = apprise.Apprise.instantiate(url, asset=asset)
            said = captured.getvalue()
        if plugin is not None:
            return plugin
        if schema.lower() not in apprise.manager_plugins.NotificationManager():
            raise DeliveryError(f"unknown schema: {schema!r}", permanent=True)
        why = scrubbed("; ".join(line.strip() for line in said.splitlines() if line.strip()), _secrets(url, None))
        raise DeliveryError(f"{shown(url)}: not accepted: {why[:MAX_REASON]}", permanent=True)


def send_test(url: str) -> str:
    """Send one message now through `url`; the service's answer. Raises DeliveryError, without the secret."""
    transport = AppriseTransport(Secret(url))
    with _http_statuses() as statuses:
        answer = transport.deliver(
            Message("Tocsin test", "This is a test: notifications through this channel arrive.", Tone.WARNING),
            "tocsin notify test",
        )
    return f"{shown(url)}: {answer}" + (f" (HTTP {', '.join(map(str, statuses))})" if statuses else "")


@contextmanager
def _http_statuses() -> Iterator[list[int]]:
    """Collect the HTTP statuses that services answer with. urllib3's own lines hold paths, so they go no further."""
    statuses: list[int] = []

    def collect(record: logging.LogRecord) -> bool:
        if record.levelno > logging.DEBUG:
            return True
        if isinstance(record.args, tuple):
            statuses.extend(each for each in record.args[-2:] if isinstance(each, int) and 100 <= each < 600)
        return False

    logger = logging.getLogger("urllib3.connectionpool")
    level = logger.level
    logger.addFilter(collect)
    logger.setLevel(logging.DEBUG)
    try:
        yield statuses
    finally:
        logger.setLevel(level)
        logger.removeFilter(collect)


def scrubbed(text: str, secrets: Iterable[str]) -> str:
    """`text` less the secrets, the longest first."""
    text = _URL.sub(rf"\1{REDACTED}", text)  # Apprise masks a URL's parts but for their first and last letters
    for secret in sorted(secrets, key=len, reverse=True):
        text = text.replace(secret, REDACTED)
    return text


def _secrets(url: str, plugin: Any) -> frozenset[str]:
    """All parts of a URL that may be secret: everything but the schema and what is certainly a host.

    (`ntfy://topic` and `slack://TokenA/…` have a secret where others have a host.)
    """
    _, _, rest = url.partition("://")
    parts = urlsplit(f"x://{rest}")
    names = {word for pair in parse_qsl(parts.query) for word in pair}
    pieces = {url, rest, parts.netloc, parts.path, parts.query, *parts.path.split("/"), *names}
    userinfo, _, address = parts.netloc.rpartition("@")
    user, _, password = userinfo.partition(":")
    pieces |= {userinfo, user, address, *address.split(":")}
    if plugin is not None and "host" in plugin.template_tokens and ("." in address or address.startswith("localhost")):
        pieces -= {address, *address.split(":")}
    long = {piece for piece in pieces if len(piece) >= LEAST_SECRET} | ({password} if password else set())
    return frozenset(form for piece in long for form in (piece, unquote(piece), quote_plus(unquote(piece))))


def _mapping(plugin: Any, url: str) -> dict[str, str]:
    """The parameters that make this service close what it opened; a value left empty is the group's key."""
    arguments = plugin.template_args
    if "map" not in arguments.get("action", {}).get("values", ()):
        return {}
    key = next((name for name in ("dedup", "alias") if name in arguments), None)
    given = {name for name, _ in parse_qsl(urlsplit(url).query)}
    wanted = {"action": "map"} | ({key: ""} if key else {})
    return {name: value for name, value in wanted.items() if name not in given}
