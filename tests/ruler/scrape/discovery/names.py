"""A DNS server on the loopback, over UDP and TCP, whose records are written down."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import dns.flags
import dns.message
import dns.rcode
import dns.rdatatype
import dns.rrset

from ruler.scrape.discovery.resolver import NameServers


@dataclass
class Zone:
    """A Zone answers questions: `records` by (name, type), `codes` for names that are answered with an error.

    A name of `silent` is never answered; answers of more than `room` bytes are cut over UDP. `asked` has each question
    with the way that it came.
    """

    records: dict[tuple[str, str], list[str]] = field(default_factory=dict)
    codes: dict[str, str] = field(default_factory=dict)
    silent: set[str] = field(default_factory=set)
    aliases: dict[str, str] = field(default_factory=dict)
    room: int = 4096
    asked: list[tuple[str, str, str]] = field(default_factory=list)
    port: int = 0

    @property
    def servers(self) -> NameServers:
        return NameServers(("127.0.0.1",), port=self.port)

    def answer(self, wire: bytes, way: str) -> bytes | None:
        query = dns.message.from_wire(wire)
        question = query.question[0]
        name, type_ = str(question.name).rstrip("."), dns.rdatatype.to_text(question.rdtype)
        self.asked.append((name, type_, way))
        if name in self.silent:
            return None
        reply = dns.message.make_response(query)
        real = self.aliases.get(name, name)
        known = {each for each, _ in self.records}
        if name in self.codes:
            reply.set_rcode(dns.rcode.from_text(self.codes[name]))
        elif real not in known:
            reply.set_rcode(dns.rcode.NXDOMAIN)
        if real != name:
            reply.answer.append(dns.rrset.from_text(f"{name}.", 30, "IN", "CNAME", f"{real}."))
        if found := self.records.get((real, type_)):
            reply.answer.append(dns.rrset.from_text(f"{real}.", 30, "IN", type_, *found))
        sent = reply.to_wire(max_size=65535)
        if way == "udp" and len(sent) > self.room:
            reply.answer.clear()
            reply.flags |= dns.flags.TC
            sent = reply.to_wire()
        return sent


class _Datagrams(asyncio.DatagramProtocol):
    def __init__(self, zone: Zone) -> None:
        self._zone = zone
        self._transport: asyncio.DatagramTransport | None = None

    def connection_made(self, transport: asyncio.DatagramTransport) -> None:  # type: ignore[override]  # UDP's own
        self._transport = transport

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        answer = self._zone.answer(data, "udp")
        if answer is not None and self._transport is not None:
            self._transport.sendto(b"\x00noise", addr)  # what is no answer is left alone
            self._transport.sendto(answer, addr)


@asynccontextmanager
async def zone() -> AsyncIterator[Zone]:
    """A Zone that answers on a free port of the loopback, gone afterwards."""
    state = Zone()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        size = int.from_bytes(await reader.readexactly(2), "big")
        answer = state.answer(await reader.readexactly(size), "tcp")
        if answer is not None:
            writer.write(len(answer).to_bytes(2, "big") + answer)
            await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    state.port = server.sockets[0].getsockname()[1]
    loop = asyncio.get_running_loop()
    transport, _ = await loop.create_datagram_endpoint(lambda: _Datagrams(state), local_addr=("127.0.0.1", state.port))
    try:
        yield state
    finally:
        transport.close()
        server.close()
        await asyncio.sleep(0)
