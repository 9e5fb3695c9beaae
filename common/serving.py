"""HTTP serving: ASGI apps on sockets that were bound before anything else started, with deadlines for slow clients.

uvicorn parses (httptools) and serves; connection.py adds the deadlines, and accepting.py stands at the door.
"""

from __future__ import annotations

import asyncio
import errno
import logging
import socket
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import cast

import uvicorn

from common.accepting import Acceptor, affordable_connections
from common.connection import App, Connection, Message, Prompt, Receive, Scope, Send, Shared
from common.errors import StartError

__all__ = [
    "App",
    "HttpServer",
    "Listener",
    "Message",
    "Receive",
    "Scope",
    "Send",
    "address_of",
    "bind",
    "split_address",
]

STOP_SECONDS = 3
KEEP_ALIVE_SECONDS = 75

log = logging.getLogger("http")


@dataclass(frozen=True, slots=True)
class Listener:
    """A Listener is a bound socket and the app that answers on it."""

    name: str
    socket: socket.socket
    app: App

    @property
    def address(self) -> str:
        return address_of(self.socket)


def address_of(bound: socket.socket) -> str:
    """`host:port` of a bound socket, with an IPv6 host in brackets."""
    host, port = bound.getsockname()[:2]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def split_address(address: str) -> tuple[str, int]:
    """`host:port`, `:port` or `[::1]:port` → (host, port); raises StartError."""
    host, colon, port = address.rpartition(":")
    if not colon or not port.isdigit() or int(port) > 65535:
        msg = f"not a listen address: {address!r} (write it like 127.0.0.1:9090 or :9090)"
        raise StartError(msg)
    return host.removeprefix("[").removesuffix("]"), int(port)


def bind(address: str, name: str) -> socket.socket:
    """A socket bound to `address` for the program `name`; raises StartError in one line when that cannot be."""
    host, port = split_address(address)
    family = socket.AF_INET6 if ":" in host or not host else socket.AF_INET
    try:
        return _bound(host, port, family)
    except OSError as error:
        if not host and family == socket.AF_INET6 and error.errno in (errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL):
            return _bound("", port, socket.AF_INET)
        if error.errno == errno.EADDRINUSE:
            why = f"port {port} is taken by another program (choose another listen address, or stop that program)"
        else:
            why = error.strerror or str(error)
        raise StartError(f"{name}: cannot listen on {address}: {why}") from None


def _bound(host: str, port: int, family: socket.AddressFamily) -> socket.socket:
    # asyncio turns Nagle's algorithm off only for a socket that names its protocol; with it, each answer waits 40 ms.
    bound = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            bound.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0 if not host else 1)
        bound.bind((host, port))
        bound.listen(1024)
        bound.setblocking(False)
    except OSError:
        bound.close()
        raise
    return bound


class HttpServer:
    """An HttpServer answers on its listeners from one event loop in one thread, until it is stopped."""

    def __init__(
        self,
        listeners: Sequence[Listener],
        max_connections: int | None = None,
        new_loop: Callable[[], asyncio.AbstractEventLoop] | None = None,
    ) -> None:
        """`max_connections` is what all listeners share; without it, what the process can afford.

        `new_loop` makes the event loop; without it, asyncio does.
        """
        self._listeners, self._new_loop = list(listeners), new_loop
        self._servers: list[uvicorn.Server] = []
        self._limit = affordable_connections() if max_connections is None else max_connections
        self._thread = threading.Thread(target=self._run, name="http", daemon=True)
        self._started = threading.Event()
        self._failure: BaseException | None = None

    @property
    def addresses(self) -> list[str]:
        """`host:port` of each listener, in order."""
        return [listener.address for listener in self._listeners]

    def start(self) -> None:
        """Serve, and return once every listener accepts."""
        self._thread.start()
        self._started.wait()
        if self._failure is not None:
            raise StartError(f"http server: {self._failure}") from self._failure

    def stop(self) -> None:
        """Finish what is being answered (STOP_SECONDS at most), then close the sockets."""
        for server in self._servers:
            server.should_exit = True
        self._thread.join(STOP_SECONDS + 2)
        for listener in self._listeners:
            listener.socket.close()

    def _run(self) -> None:
        try:
            with asyncio.Runner(loop_factory=self._new_loop) as runner:
                runner.run(self._serve())
        except BaseException as error:  # noqa: BLE001  (handed to start(), which raises it)
            self._failure = error
        finally:
            self._started.set()

    async def _serve(self) -> None:
        serving = []
        shared = Shared()
        for listener in self._listeners:
            config = uvicorn.Config(
                listener.app,
                interface="asgi3",  # a bound method, too, which uvicorn's guess takes for ASGI 2
                http=Connection,
                ws="none",
                lifespan="off",
                proxy_headers=False,
                log_config=None,
                log_level="warning",
                access_log=False,
                server_header=False,
                timeout_keep_alive=KEEP_ALIVE_SECONDS,
                timeout_graceful_shutdown=STOP_SECONDS,
            )
            prompt = listener.app if isinstance(listener.app, Prompt) else None
            server = _Server(config, shared, self._limit, prompt)
            self._servers.append(server)
            serving.append(asyncio.ensure_future(server.serve(sockets=[listener.socket])))
        while not all(server.started for server in self._servers):
            if any(task.done() for task in serving):
                break
            await asyncio.sleep(0.005)
        self._started.set()
        await asyncio.gather(*serving)


class _Server(uvicorn.Server):
    """uvicorn's server with our door, and without its signal handlers: signals belong to the program."""

    def __init__(self, config: uvicorn.Config, shared: Shared, limit: int, prompt: Prompt | None) -> None:
        super().__init__(config)
        self.server_state = self._shared = shared
        self._limit, self._prompt = limit, prompt

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        clients = cast("set[Connection]", self.server_state.connections)
        self.servers = [Acceptor(each, clients, self._limit, self._connection) for each in sockets or ()]  # type: ignore[misc]  # all that uvicorn does with them is to close them
        self.started = True

    async def on_tick(self, counter: int) -> bool:
        leaves = await super().on_tick(counter)
        self._shared.renew()  # the time of day may be another
        return leaves

    def _connection(self) -> Connection:
        return Connection(self._prompt, self.config, self._shared, self.lifespan.state)

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield
