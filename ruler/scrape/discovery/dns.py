"""dns_sd: names whose records are targets. A name that cannot be looked up keeps the targets that it gave last."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from dns.rdata import Rdata
from dns.rdtypes.ANY.MX import MX
from dns.rdtypes.ANY.NS import NS
from dns.rdtypes.IN.A import A
from dns.rdtypes.IN.AAAA import AAAA
from dns.rdtypes.IN.SRV import SRV

from common.errors import DiscoveryError
from common.logs import facts
from ruler.scrape.config import DNSDiscovery
from ruler.scrape.discovery.groups import Found, bounded
from ruler.scrape.discovery.metrics import DiscoveryMetrics
from ruler.scrape.discovery.resolver import NameServers, look_up, system_name_servers
from ruler.scrape.target import ADDRESS, META

AT_ONCE = 16  # names that are looked up together

log = logging.getLogger("discovery")


@dataclass(slots=True)
class _Name:
    """What is known of one name."""

    targets: tuple[Found, ...] = ()
    problem: str = ""


class DNSDiscoverer:
    """A DNSDiscoverer looks up the names of one dns_sd_config."""

    mechanism = "dns"
    refreshes = True

    def __init__(
        self,
        settings: DNSDiscovery,
        metrics: DiscoveryMetrics,
        servers: Callable[[], NameServers] = system_name_servers,
    ) -> None:
        self.interval = settings.refresh_interval
        self._type, self._port, self._metrics, self._servers = settings.type.upper(), settings.port, metrics, servers
        self._names = {name: _Name() for name in settings.names}

    async def refresh(self) -> Sequence[Found]:
        turns = asyncio.Semaphore(AT_ONCE)

        async def look(name: str, known: _Name) -> None:
            async with turns:
                await self._look(name, known)

        await asyncio.gather(*(look(name, known) for name, known in self._names.items()))
        try:
            return bounded([target for known in self._names.values() for target in known.targets])
        except ValueError as error:
            raise DiscoveryError(str(error)) from None

    def close(self) -> None:
        """Nothing is kept open."""

    async def _look(self, name: str, known: _Name) -> None:
        self._metrics.dns_lookups.inc()
        try:
            async with asyncio.timeout(self.interval / 1000):
                records = await look_up(name, self._type, self._servers())
        except (DiscoveryError, TimeoutError) as error:
            problem = str(error) or f"could not resolve {name!r}: no answer in {self.interval / 1000:g} s"
            if problem != known.problem:
                log.error("cannot look up targets, keeping the last ones", extra=facts(name=name, error=problem))
            self._metrics.dns_failures.inc()
            known.problem = problem
            return
        found = (target_of(name, record, self._port) for record in records)
        known.targets, known.problem = tuple(target for target in found if target), ""


def target_of(name: str, record: Rdata, port: int) -> Found:
    """The target that a record of `name` stands for; nothing, where it is of a kind that stands for none."""
    meta = f"{META}dns_"
    match record:
        case SRV():
            host, port = str(record.target), record.port
            about = {f"{meta}srv_record_target": host, f"{meta}srv_record_port": str(port)}
        case MX():
            host = str(record.exchange)
            about = {f"{meta}mx_record_target": host}
        case NS():
            host = str(record.target)
            about = {f"{meta}ns_record_target": host}
        case A() | AAAA():
            host, about = record.address, {}
        case _:
            return {}
    host = host.rstrip(".")
    address = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    return {ADDRESS: address, f"{meta}name": name, **about}
