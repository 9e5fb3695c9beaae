"""dns_sd against a real DNS server on the loopback: records become targets as in Prometheus, failures keep them."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace

import pytest
from prometheus_client import CollectorRegistry

from common.config import Duration
from common.errors import DiscoveryError
from ruler.scrape.config import DNSDiscovery
from ruler.scrape.discovery import resolver
from ruler.scrape.discovery.dns import DNSDiscoverer
from ruler.scrape.discovery.groups import Found
from ruler.scrape.discovery.metrics import DiscoveryMetrics
from ruler.scrape.discovery.resolver import NameServers, look_up, name_servers
from tests.ruler.scrape.discovery.names import Zone, zone


def asking(use: Callable[[Zone], Awaitable[None]]) -> None:
    async def run() -> None:
        async with zone() as here:
            await use(here)

    asyncio.run(run())


def discoverer(here: Zone, settings: DNSDiscovery, registry: CollectorRegistry | None = None) -> DNSDiscoverer:
    return DNSDiscoverer(settings, DiscoveryMetrics(registry or CollectorRegistry()), lambda: here.servers)


async def found(here: Zone, settings: DNSDiscovery) -> Sequence[Found]:
    return await discoverer(here, settings).refresh()


def test_srv_records_bring_their_port() -> None:
    """An SRV record is a host and a port; both are in meta labels, the host as DNS writes it."""

    async def use(here: Zone) -> None:
        here.records["_prom._tcp.x.test", "SRV"] = ["0 5 9100 a.x.test.", "0 5 9101 b.x.test."]
        assert {
            (a, "_prom._tcp.x.test", f"{host}.", port)
            for a, host, port in (("a.x.test:9100", "a.x.test", "9100"), ("b.x.test:9101", "b.x.test", "9101"))
        } == {
            (
                target["__address__"],
                target["__meta_dns_name"],
                target["__meta_dns_srv_record_target"],
                target["__meta_dns_srv_record_port"],
            )
            for target in await found(here, DNSDiscovery(names=("_prom._tcp.x.test",)))
        }

    asking(use)


@pytest.mark.parametrize(
    ("type_", "record", "expected"),
    [
        ("A", "10.0.0.1", {"__address__": "10.0.0.1:80"}),
        ("aaaa", "2001:db8::1", {"__address__": "[2001:db8::1]:80"}),
        ("MX", "10 mail.x.test.", {"__address__": "mail.x.test:80", "__meta_dns_mx_record_target": "mail.x.test."}),
        ("NS", "ns1.x.test.", {"__address__": "ns1.x.test:80", "__meta_dns_ns_record_target": "ns1.x.test."}),
    ],
)
def test_other_records_take_the_port_of_the_settings(type_: str, record: str, expected: Found) -> None:
    """The type may be written in any case, and an IPv6 address stands in brackets."""

    async def use(here: Zone) -> None:
        here.records["x.test", type_.upper()] = [record]
        assert [{**expected, "__meta_dns_name": "x.test"}] == list(
            await found(here, DNSDiscovery(names=("x.test",), type=type_, port=80))
        )

    asking(use)


def test_an_alias_is_followed() -> None:
    """A CNAME in an answer is no target, and does not disturb those that it leads to."""

    async def use(here: Zone) -> None:
        here.records["real.test", "A"] = ["10.0.0.1"]
        here.aliases["alias.test"] = "real.test"
        targets = await found(here, DNSDiscovery(names=("alias.test",), type="A", port=1))
        assert [("10.0.0.1:1", "alias.test")] == [(each["__address__"], each["__meta_dns_name"]) for each in targets]

    asking(use)


def test_a_cut_answer_is_asked_for_over_tcp() -> None:
    """What does not fit into a datagram comes whole."""

    async def use(here: Zone) -> None:
        here.records["x.test", "A"] = [f"10.0.{place // 250}.{place % 250}" for place in range(1000)]
        assert 1000 == len(await found(here, DNSDiscovery(names=("x.test",), type="A", port=1)))
        assert [("x.test", "A", "udp"), ("x.test", "A", "tcp")] == here.asked

    asking(use)


def test_a_name_that_is_gone_has_no_targets() -> None:
    """NXDOMAIN from everybody, and a name without such records, are answers: none."""

    async def use(here: Zone) -> None:
        here.records["x.test", "A"] = ["10.0.0.1"]
        asks = discoverer(here, DNSDiscovery(names=("x.test",), type="A", port=1))
        assert 1 == len(await asks.refresh())
        del here.records["x.test", "A"]
        assert 0 == len(await asks.refresh())
        here.records["x.test", "MX"] = ["1 y.test."]
        assert 0 == len(await asks.refresh())

    asking(use)


def test_a_resolver_that_fails_keeps_the_last_targets(caplog: pytest.LogCaptureFixture) -> None:
    """Nothing is known of a name whose server is in trouble: others change, and one line is logged."""

    async def use(here: Zone) -> None:
        registry = CollectorRegistry()
        here.records = {("x.test", "A"): ["10.0.0.1"], ("y.test", "A"): ["10.0.0.2"]}
        asks = discoverer(here, DNSDiscovery(names=("x.test", "y.test"), type="A", port=1), registry)
        await asks.refresh()
        here.codes["x.test"] = "SERVFAIL"
        here.records["y.test", "A"] = ["10.0.0.3"]
        for _ in range(2):
            assert ["10.0.0.1:1", "10.0.0.3:1"] == [target["__address__"] for target in await asks.refresh()]
        assert (6.0, 2.0) == (
            registry.get_sample_value("prometheus_sd_dns_lookups_total"),
            registry.get_sample_value("prometheus_sd_dns_lookup_failures_total"),
        )

    with caplog.at_level(logging.ERROR):
        asking(use)
    assert ["could not resolve 'x.test': 127.0.0.1 answered SERVFAIL"] == [
        vars(record)["facts"]["error"] for record in caplog.records
    ]


def test_a_resolver_that_is_silent_is_left_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """An exchange has its time; all of them together have the interval."""

    async def use(here: Zone) -> None:
        here.silent.add("x.test")
        monkeypatch.setattr(resolver, "EXCHANGE", 0.02)
        with pytest.raises(DiscoveryError, match=r"no answer from 127\.0\.0\.1 in 0\.02 s"):
            await look_up("x.test", "A", here.servers)
        monkeypatch.setattr(resolver, "EXCHANGE", 60.0)
        assert 0 == len(
            await found(here, DNSDiscovery(names=("x.test",), type="A", port=1, refresh_interval=Duration(20)))
        )

    asking(use)


def test_the_next_server_is_asked_where_one_fails() -> None:
    """A server that refuses, or that is not there, is passed over."""

    async def use(here: Zone) -> None:
        here.records["x.test", "A"] = ["10.0.0.1"]
        servers = replace(here.servers, addresses=("127.0.0.2", "127.0.0.1"))  # nobody listens at the first
        assert 1 == len(await look_up("x.test", "A", servers))
        here.codes["x.test"] = "REFUSED"
        with pytest.raises(DiscoveryError, match=r"127\.0\.0\.1 answered REFUSED"):
            await look_up("x.test", "A", servers)
        with pytest.raises(DiscoveryError, match="no name server is configured"):
            await look_up("x.test", "A", NameServers(()))

    asking(use)


def test_search_domains_are_tried() -> None:
    """A short name is looked for in the search domains first; trouble in one of them does not hide it in another."""

    async def use(here: Zone) -> None:
        here.records["db.two.test", "A"] = ["10.0.0.1"]
        servers = replace(here.servers, search=("one.test", "two.test"))
        assert 1 == len(await look_up("db", "A", servers))
        assert ["db.one.test", "db.two.test"] == [name for name, _, _ in here.asked]
        here.codes["db.one.test"] = "SERVFAIL"
        assert 1 == len(await look_up("db", "A", servers))
        del here.records["db.two.test", "A"]
        with pytest.raises(DiscoveryError, match="could not resolve 'db'"):
            await look_up("db", "A", servers)

    asking(use)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("db", ["db.one.", "db.two.", "db."]),
        ("a.db", ["a.db.", "a.db.one.", "a.db.two."]),
        ("db.", ["db."]),
    ],
)
def test_dots_decide_where_the_search_begins(name: str, expected: list[str]) -> None:
    """A name with `ndots` dots is tried as it is first, a rooted one as it is alone."""
    assert expected == list(NameServers((), ("one", "two.")).names(name))


def test_resolv_conf_is_read() -> None:
    """The keys that matter here count, the last of several; all else is passed over."""
    text = """# comment
nameserver 10.0.0.1
nameserver fe80::1%eth0
domain ignored.test
search one.test two.test
options ndots:5 timeout:1 rotate
sortlist 1.2.3.4
"""
    assert NameServers(("10.0.0.1", "fe80::1%eth0"), ("one.test", "two.test"), 5) == name_servers(text)
    assert NameServers((), (), 1) == name_servers("options ndots:x\nnameserver\n")


def test_a_name_that_cannot_be_asked_for_is_said() -> None:
    """A label of more than 63 bytes is no name."""
    with pytest.raises(DiscoveryError, match="not a name that can be asked for"):
        asyncio.run(look_up("x" * 64, "A", NameServers(("127.0.0.1",))))
