"""Looking names up, as Prometheus's dns_sd does: with the system's name servers and search domains, within a time.

A server is asked over UDP, and over TCP where its answer was cut; the next one is asked where it fails. Nothing blocks,
and no thread is used. dnspython writes and reads the messages.
"""

from __future__ import annotations

import asyncio
import errno
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import dns.exception
import dns.flags
import dns.message
import dns.rcode
import dns.rdata

from common.errors import DiscoveryError

RESOLV_CONF = Path("/etc/resolv.conf")
EXCHANGE = 2.0  # seconds that a server has for a question, over UDP and again over TCP
PAYLOAD = 4096  # bytes of a UDP answer that are asked for
MAX_NDOTS = 15

_ANSWERS = (dns.rcode.NOERROR, dns.rcode.NXDOMAIN)


@dataclass(frozen=True, slots=True)
class NameServers:
    """NameServers are who is asked, and what is put behind a name with fewer than `ndots` dots before it is asked."""

    addresses: tuple[str, ...]
    search: tuple[str, ...] = ()
    ndots: int = 1
    port: int = 53

    def names(self, name: str) -> Iterator[str]:
        """The names that `name` may stand for, in the order in which they are tried."""
        if name.endswith("."):
            yield name
            return
        complete = name.count(".") >= self.ndots
        if complete:
            yield f"{name}."
        for domain in self.search:
            yield f"{name}.{domain.strip('.')}."
        if not complete:
            yield f"{name}."


def name_servers(text: str) -> NameServers:
    """What a resolv.conf says."""
    addresses: list[str] = []
    search: tuple[str, ...] = ()
    ndots = 1
    for line in text.splitlines():
        key, *values = line.split() or [""]
        if key == "nameserver" and values:
            addresses.append(values[0])
        elif key == "domain" and values:
            search = (values[0],)
        elif key == "search":
            search = tuple(values)
        elif key == "options":
            for option in values:
                name, _, value = option.partition(":")
                if name == "ndots" and value.isdigit():
                    ndots = min(int(value), MAX_NDOTS)
    return NameServers(tuple(addresses), search, ndots)


def system_name_servers() -> NameServers:
    """Those of this machine, as they are now."""
    try:
        return name_servers(RESOLV_CONF.read_text(encoding="utf-8", errors="replace"))
    except OSError as error:
        raise DiscoveryError(f"could not load {str(RESOLV_CONF)!r}: {error.strerror}") from None


async def look_up(name: str, type_: str, servers: NameServers) -> list[dns.rdata.Rdata]:
    """The records of a name, none where all servers say that there is none; raises DiscoveryError."""
    trouble = ""
    for full in servers.names(name):
        try:
            answer = await _answer(full, type_, servers)
        except DiscoveryError as error:
            trouble = str(error)
            continue
        if answer.rcode() == dns.rcode.NOERROR:
            return [record for records in answer.answer for record in records]
    if trouble:
        raise DiscoveryError(f"could not resolve {name!r}: {trouble}")
    return []


async def _answer(name: str, type_: str, servers: NameServers) -> dns.message.Message:
    """What the first server says that knows whether there is such a name."""
    try:
        query = dns.message.make_query(name, type_, use_edns=0, payload=PAYLOAD)
    except dns.exception.DNSException as error:
        raise DiscoveryError(f"not a name that can be asked for: {error}") from None
    trouble = "no name server is configured"
    for address in servers.addresses:
        try:
            answer = await _exchange(query, address, servers.port)
        except TimeoutError:
            trouble = f"no answer from {address} in {EXCHANGE:g} s"
        except (OSError, EOFError) as error:
            trouble = f"{address}: {getattr(error, 'strerror', None) or error}".lower()
        except dns.exception.DNSException as error:
            trouble = f"{address}: malformed answer: {error}"
        else:
            if answer.rcode() in _ANSWERS:
                return answer
            trouble = f"{address} answered {dns.rcode.to_text(answer.rcode())}"
    raise DiscoveryError(trouble)


async def _exchange(query: dns.message.QueryMessage, address: str, port: int) -> dns.message.Message:
    wire = query.to_wire()
    async with asyncio.timeout(EXCHANGE):
        answer = await _over_udp(query, wire, address, port)
    if not answer.flags & dns.flags.TC:
        return answer
    async with asyncio.timeout(EXCHANGE):
        return await _over_tcp(query, wire, address, port)


class _Datagram(asyncio.DatagramProtocol):
    """Waits for the one answer that is for its query; what else comes is left alone."""

    def __init__(self, query: dns.message.QueryMessage) -> None:
        self._query = query
        self.answer: asyncio.Future[dns.message.Message] = asyncio.get_running_loop().create_future()

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:  # noqa: ARG002  (asyncio's signature)
        if self.answer.done():
            return
        try:
            answer = dns.message.from_wire(data, ignore_trailing=True)
        except dns.message.Truncated as cut:
            answer = cut.message()  # type: ignore[no-untyped-call]  # dnspython annotates most of its calls
        except dns.exception.DNSException:
            return  # not from the server: it would know the format
        if self._query.is_response(answer):
            self.answer.set_result(answer)

    def error_received(self, exc: Exception) -> None:
        self.connection_lost(exc)

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.answer.done():
            self.answer.set_exception(exc or OSError(errno.ECONNABORTED, "closed"))


async def _over_udp(query: dns.message.QueryMessage, wire: bytes, address: str, port: int) -> dns.message.Message:
    loop = asyncio.get_running_loop()
    transport, datagram = await loop.create_datagram_endpoint(lambda: _Datagram(query), remote_addr=(address, port))
    try:
        transport.sendto(wire)
        return await datagram.answer
    finally:
        if not datagram.answer.done():
            datagram.answer.cancel()
        transport.close()


async def _over_tcp(query: dns.message.QueryMessage, wire: bytes, address: str, port: int) -> dns.message.Message:
    reader, writer = await asyncio.open_connection(address, port)
    try:
        writer.write(len(wire).to_bytes(2, "big") + wire)
        size = int.from_bytes(await reader.readexactly(2), "big")
        answer = dns.message.from_wire(await reader.readexactly(size))
    finally:
        writer.transport.abort()
    if not query.is_response(answer):
        raise OSError(errno.EBADMSG, "another question was answered")
    return answer
