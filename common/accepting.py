"""Who is let in at a listening socket: as many clients as the process has files for, leaving most to its other work.

At the limit the client that has been quiet for longest makes room; when none is quiet, the new one gets a 503. One
that is out of files all the same stops accepting for a moment: asyncio's own server would spin and log without end.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import logging
import resource
import socket
from collections.abc import Callable, Collection
from time import monotonic
from typing import Protocol

from common.logs import facts

MOST_FILES = 1 << 16
MOST_CONNECTIONS = 512
SHARE = 4  # one in so many files may be a connection
QUIET_SECONDS = 0.5  # a client may be this slow to say something before another takes its place
REST_SECONDS = 0.5
LOG_SECONDS = 60
AT_ONCE = 8  # connections that one turn of the loop accepts; closed ones give their files back in the next

_REFUSAL = b"too many connections\n"
_REFUSED = (
    b"HTTP/1.1 503 Service Unavailable\r\ncontent-type: text/plain\r\nretry-after: 1\r\nconnection: close\r\n"
    b"content-length: %d\r\n\r\n%s" % (len(_REFUSAL), _REFUSAL)
)

log = logging.getLogger("http")


class Client(Protocol):
    """A connection that may have to make room; `quiet_since` (monotonic) is None while a request is under way."""

    quiet_since: float | None

    def make_room(self) -> None: ...


def affordable_connections() -> int:
    """How many clients this process may have at once, after raising its limit of open files as far as it may."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MOST_FILES if hard == resource.RLIM_INFINITY else min(hard, MOST_FILES)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
            soft = wanted
        except (OSError, ValueError):  # macOS has a limit of its own beside the one that it tells
            log.debug("the limit of open files stays", extra=facts(files=soft))
    return MOST_CONNECTIONS if soft == resource.RLIM_INFINITY else max(1, min(soft // SHARE, MOST_CONNECTIONS))


class Acceptor:
    """An Acceptor lets clients in at one socket; `clients` are those of every socket that shares the `limit`."""

    def __init__(
        self,
        listening: socket.socket,
        clients: Collection[Client],
        limit: int,
        protocol: Callable[[], asyncio.BaseProtocol],
    ) -> None:
        self._listening, self._clients, self._limit, self._protocol = listening, clients, limit, protocol
        self._loop = asyncio.get_running_loop()
        self._arriving: set[asyncio.Task[None]] = set()
        self._resting: asyncio.TimerHandle | None = None
        self._logged_at = -LOG_SECONDS + self._loop.time()
        self._open()

    def close(self) -> None:
        """Let nobody in any more."""
        if self._resting is not None:
            self._resting.cancel()
        self._loop.remove_reader(self._listening)

    async def wait_closed(self) -> None:
        """Wait until those who were at the door are in."""
        await asyncio.gather(*self._arriving, return_exceptions=True)

    def _open(self) -> None:
        self._resting = None
        self._loop.add_reader(self._listening, self._accept)

    def _accept(self) -> None:
        for _ in range(AT_ONCE):
            try:
                connection, _address = self._listening.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return
            except OSError as error:
                self._rest(error)
                return
            connection.setblocking(False)
            if self._has_room():
                task = self._loop.create_task(self._let_in(connection))
                self._arriving.add(task)
                task.add_done_callback(self._arriving.discard)
            else:
                self._warn("a client was refused: all connections are in use", limit=self._limit)
                _refuse(connection)

    def _has_room(self) -> bool:
        """Whether there is room for one more, if need be because another leaves."""
        if len(self._clients) + len(self._arriving) < self._limit:
            return True
        quiet = [client for client in self._clients if client.quiet_since is not None]
        longest = min(quiet, key=lambda client: client.quiet_since or 0, default=None)
        if longest is None or monotonic() - (longest.quiet_since or 0) < QUIET_SECONDS:
            return False
        longest.quiet_since = None
        longest.make_room()
        return True

    async def _let_in(self, connection: socket.socket) -> None:
        try:
            await self._loop.connect_accepted_socket(self._protocol, connection)
        except OSError as error:
            connection.close()
            log.debug("a client left at the door", extra=facts(error=error.strerror))

    def _rest(self, error: OSError) -> None:
        """Wait for files to become free; whoever wants in waits in the system's queue."""
        out_of_files = error.errno in (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)
        self._warn("no files are left to let clients in" if out_of_files else "accepting failed", error=error.strerror)
        self._loop.remove_reader(self._listening)
        self._resting = self._loop.call_later(REST_SECONDS, self._open)

    def _warn(self, message: str, **what: object) -> None:
        if self._loop.time() - self._logged_at >= LOG_SECONDS:
            self._logged_at = self._loop.time()
            log.warning(message, extra=facts(**what))


def _refuse(connection: socket.socket) -> None:
    """Say no, and go: what the client has sent so far is read first, since a close would else discard the answer."""
    with contextlib.suppress(OSError):  # it may have said nothing yet
        connection.recv(1 << 16)
    with contextlib.suppress(OSError):  # it may have left
        connection.send(_REFUSED)
    connection.close()
