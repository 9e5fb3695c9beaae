"""Receivers: who is told, and through what. Frozen, and complete: a Receiver that was built can be used."""

from __future__ import annotations

import hashlib
import logging
from dataclasses import dataclass
from typing import Protocol

from common.logs import facts
from ruler.model.alert import Notification
from ruler.notify.message import one_line

log = logging.getLogger("alert")

MAX_LINES = 100  # log lines for one notification


class Transport(Protocol):
    """A Transport carries notifications to one place."""

    @property
    def integration(self) -> str:
        """What kind it is: a metric's label."""

    def send(self, notification: Notification) -> str:
        """Tell now; what the other side answered. Raises DeliveryError."""


@dataclass(frozen=True, slots=True)
class Destination:
    """A Destination is one place at which a receiver is told.

    `id` is the same in every process and tells a receiver's destinations apart; `shown` names it without its secret.
    """

    id: str
    shown: str
    transport: Transport
    send_resolved: bool = True


@dataclass(frozen=True, slots=True)
class Receiver:
    """A Receiver is a name in a route, and the destinations that are told under it."""

    name: str
    destinations: tuple[Destination, ...]


@dataclass(frozen=True, slots=True)
class LogTransport:
    """A LogTransport tells by one readable line for each alert in the ruler's log: for who has configured no URL."""

    receiver: str

    @property
    def integration(self) -> str:
        return "log"

    def send(self, notification: Notification) -> str:
        for alert in notification.alerts[:MAX_LINES]:
            log.info("%s", one_line(alert, notification.now), extra=facts(receiver=self.receiver))
        if len(notification.alerts) > MAX_LINES:
            more = len(notification.alerts) - MAX_LINES
            log.info("and %d more alerts of %s", more, notification.group_key, extra=facts(receiver=self.receiver))
        return "logged"


def log_receiver(name: str) -> Receiver:
    """A receiver that writes to the log."""
    return Receiver(name, (Destination("log", "log", LogTransport(name)),))


def destination_id(url: str) -> str:
    """Enough of a hash to tell a receiver's URLs apart, too little to guess a password by."""
    return hashlib.blake2b(url.encode(), digest_size=4).hexdigest()
