"""Scraping held against the real Prometheus: the same pages from the same server, verdict by verdict, value by value.

Prometheus scrapes every page once a second and is asked over its API; the ruler's own scraping runs beside it.
"""

from __future__ import annotations

import asyncio
import gc
import gzip
import json
import random
import socket
import subprocess
import time
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote
from urllib.request import urlopen

import pytest

from common.textformat import Sample, parse_page
from ruler.scrape.status import Health
from tests.ruler.scrape.world import PLAIN, PageServer, World, answer, page_server, world

pytestmark = pytest.mark.conformance

AUTOMATIC = ("up", "scrape_")
PAGES = [
    b"a 1\n",
    b"a 1",
    b"a 1\r\nb 2\r\n",
    b" a 1\n",
    b'\t{"a"} 1\n',
    b'a{b="1",b="2"} 1\n',
    b'a{__name__="b"} 1\n',
    b'a{b=""} 1\n',
    b'{""} 1\n',
    b'a{""="x"} 1\n',
    b"a 1\n\x00b 2\nc 3\n",
    b"a 1\n#\x00x\nb 2\n",
    b"a 1\n# \x00x\nb 2\n",
    b'a{b="x\x00y"} 1\n',
    b"a\x00 1\n",
    b'a{b="x\ny"} 1\n',
    b'a{b="x 1\ny"} 1\n',
    b"a 1 -5\n",
    b"a 1 1000\n",
    b"a 1 99999999999999999999\n",
    b"a 1 +5\n",
    b"a 1e999\n",
    b"a -1e999\n",
    b"a 1e-999\n",
    b"a 1_000\n",
    b"a 0x10\n",
    b"a 0x1p3\n",
    b"a inf\n",
    b"a Infinity\n",
    b"a +Inf\n",
    b"a -inf\n",
    b"a nan\n",
    b"a NaN\n",
    b"a +NaN\n",
    b"a -nan\n",
    b"a .5\n",
    b"a 5.\n",
    b"a +5\n",
    b"a 0005\n",
    b"a -0\n",
    b"a 1e5\n",
    b"a 1E+5\n",
    b"a 1e\n",
    b"a .\n",
    b"",
    b"\n\n",
    b"a 1  \n",
    b"a  1\n",
    b"a\t1\n",
    b'a{b="c"}1\n',
    b'a{b="c"} 1{\n',
    b"a 1\x0b\n",
    b"a 1\x0c\n",
    b"a \xc2\xa01\n",
    b"\xef\xbb\xbfa 1\n",
    b'a{b="\xff"} 1\n',
    b'{"a\xff"} 1\n',
    b'a{"b\xff"="c"} 1\n',
    b"# HELP a \xff\na 1\n",
    b"# TYPE a foo\na 1\n",
    b"# TYPE a  counter\na 1\n",
    b"# TYPE a counter \na 1\n",
    b"# TYPE a\na 1\n",
    b"# TYPE\na 1\n",
    b"# TYPE \na 1\n",
    b"# HELP\na 1\n",
    b"# HELP \na 1\n",
    b"# HELP a\na 1\n",
    b"#HELP 5\na 1\n",
    b"# UNIT a b\na 1\n",
    b"a 1\n# EOF\nb 2\n",
    b"a 1\na 2\n",
    b'a{b="1",c="2"} 1\na{c="2",b="1"} 2\n',
    b"a 1\na 1\n",
    b"up 7\na 1\nscrape_samples_scraped 99\n",
    b'a{job="x",instance="y"} 1\n',
    b'a{exported_job="x",job="y"} 1\n',
    b"<html>\n",
    b'a{b="1" c="2"} 1\n',
    b'a{b="1"c="2"} 1\n',
    b'a{b="1",} 1\n',
    b'a{b="1",,} 1\n',
    b'a{,b="1"} 1\n',
    b"a{,} 1\n",
    b"a{} 1\n",
    b'{"a","b"} 1\n',
    b'a{"b"} 1\n',
    b'{b="c"} 1\n',
    b'{"\xc3\xbc.x","l \xc3\xa4"="v"} 1\n',
    b'a{b="x\\qy"} 1\n',
    b'a{b="x\\\ny"} 1\n',
    b"a{b='c'} 1\n",
    b'a{b:c="d"} 1\n',
    b"a-b 1\n",
    b"1a 1\n",
    (
        b'# TYPE h histogram\nh_bucket{le="1"} 1\nh_bucket{le="+Inf"} 1\n'
        b'h_bucket{le="1e-5"} 1\nh_bucket{le="1e21"} 1\nh_bucket{le="100000000000"} 1\n'
        b'h_bucket{le="x"} 1\nother{le="2"} 1\n'
    ),
    b'h_bucket{le="1"} 1\n',
    b'# TYPE s summary\ns{quantile="0.50"} 1\ns{quantile="1"} NaN\n',
    b'# TYPE h histogram\n# TYPE g gauge\nh_bucket{le="1"} 1\n',
    b"a 1\nb 2\nc x\nd 4\n",
    b'a 1\nb{c="',
    b"a 1 # foo\n",
    b'a_total 1 # {x="y"} 1\n',
    b"a b 1\n",
    b'# TYPE "a b" counter\n{"a b"} 1\n',
    b'{"a\\"b"} 1\n',
    b'{"a\nb"} 1\n',
    b'a{__foo="x"} 1\n',
    b"a NAN\n",
    b"a;b 1\n",
    b'{"a"}1\n',
    b'a{b="1"\n} 1\n',
    b'a{\nb="1"} 1\n',
    b"a 1 %d\n" % (time.time() * 1000),
    b"a{" + b",".join(b'l%d="v"' % number for number in range(3000)) + b"} 1\n",
    b'a{b="' + b"x" * 1_000_000 + b'"} 1\n',
]

SPOILERS = [bytes([byte]) for byte in b' \t\n"\\{},=#\r\xc31-_e'] + [b""]
CHUNKED = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nTransfer-Encoding: chunked\r\n\r\n"
SHORT = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 99\r\nConnection: close\r\n\r\n"

HTTP = {
    "gzip": answer(b"a 1\n", gzipped=True),
    "two gzip members": answer(gzip.compress(b"a 1\n") + gzip.compress(b"b 1\n"), Content_Encoding="gzip"),
    "cut gzip": answer(gzip.compress(b"a 1\n" * 99)[:-9], Content_Encoding="gzip"),
    "not gzip": answer(b"a 1\n", Content_Encoding="gzip"),
    "no type": answer(b"a 1\n", content_type=""),
    "html": answer(b"a 1\n", content_type="text/html"),
    "json": answer(b"a 1\n", content_type="application/json"),
    "type with a bad parameter": answer(b"a 1\n", content_type="text/plain; x"),
    "type in capitals": answer(b"a 1\n", content_type="TEXT/PLAIN; charset=UTF-8"),
    "type with another version": answer(b"a 1\n", content_type="text/plain; version=9"),
    "garbage type": answer(b"a 1\n", content_type=";;"),
    "500": answer(b"a 1\n", status="500 Internal Server Error"),
    "204": b"HTTP/1.1 204 No Content\r\n\r\n",
    "201": answer(b"a 1\n", status="201 Created"),
    "redirect loop": answer(status="302 Found", Location="/redirect%20loop"),
    "redirect": answer(status="302 Found", Location="/gzip"),
    "redirect without a place": answer(status="302 Found"),
    "redirect to a file": answer(status="302 Found", Location="file:///etc/passwd"),
    "short body": SHORT + b"a 1\n",
    "hangs up": b"",
    "never answers": None,
    "chunked": CHUNKED + b"4\r\na 1\n\r\n0\r\n\r\n",
    "broken chunk": CHUNKED + b"zz\r\na 1\n",
    "no HTTP": b"hello\r\n\r\n",
}


@dataclass(frozen=True)
class Outcome:
    """An Outcome is what a scraper made of one page: whether it was taken, why not, and its samples."""

    up: bool
    error: str
    samples: dict[str, str]


Outcomes = dict[str, Outcome]


def served(testdata: Path) -> dict[str, bytes | None]:
    """Every answer by its path: our corpus, the peers' test pages as text, and the faults of HTTP."""
    folders = ("prometheus-common/expfmt/fuzz/corpus", "prometheus/model/textparse/testdata", "openmetrics/parsers")
    files = [path for folder in folders for path in sorted((testdata / folder).rglob("*")) if path.is_file()]
    pages = [*PAGES, *spoiled(300), *(path.read_bytes() for path in files if path.name != "test.json")]
    answers = {f"/{number}": answer(page, content_type=PLAIN) for number, page in enumerate(pages)}
    return {**answers, **{"/" + quote(name): sent for name, sent in HTTP.items()}}


def spoiled(count: int) -> list[bytes]:
    """Good pages with a byte or two put in, left out or replaced; the same ones every time."""
    chance = random.Random(count)
    good = b'# HELP a It is\n# TYPE a histogram\na{le="1",b="c\\n"} 1.5\n{"d e",f="g"} 2e3 \nh 3\n'
    pages = []
    for _ in range(count):
        page = bytearray(good)
        for _ in range(chance.randint(1, 2)):
            place, width = chance.randrange(len(page)), chance.randint(0, 1)
            page[place : place + width] = chance.choice(SPOILERS)
        pages.append(bytes(page))
    return pages


@pytest.fixture(scope="module")
def outcomes(peers: Path, testdata: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Outcomes, Outcomes]:
    """What the ruler and Prometheus made of everything."""

    async def run() -> tuple[Outcomes, Outcomes]:
        async with page_server() as server, world() as here:
            server.pages = dict(served(testdata))
            folder = tmp_path_factory.mktemp("prometheus")
            process, address = prometheus(peers, folder, server)
            try:
                ours = await scraped_here(here, server)
                theirs = await asyncio.to_thread(wait_for_prometheus, address, list(server.pages))
                while isinstance(theirs, str):
                    await asyncio.sleep(0.2)
                    theirs = await asyncio.to_thread(wait_for_prometheus, address, list(server.pages))
            finally:
                process.kill()
                process.wait()
            return ours, theirs

    with warnings.catch_warnings():
        # The killed Prometheus leaves connections half accepted, which asyncio forgets to close.
        warnings.simplefilter("ignore", ResourceWarning)
        made = asyncio.run(run())
        gc.collect()
    return made


def groups(server: PageServer) -> list[dict[str, Any]]:
    return [
        {"targets": [server.address], "labels": {"__metrics_path__": path.replace("%20", " "), "page": path}}
        for path in server.pages
    ]


def prometheus(peers: Path, folder: Path, server: PageServer) -> tuple[subprocess.Popen[bytes], str]:
    config = {
        "global": {"scrape_interval": "1s", "scrape_timeout": "1s"},
        "scrape_configs": [{"job_name": "j", "static_configs": groups(server)}],
    }
    (folder / "prometheus.yml").write_text(json.dumps(config))
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{probe.getsockname()[1]}"
    arguments = [
        str(peers / "prometheus"),
        f"--config.file={folder / 'prometheus.yml'}",
        f"--storage.tsdb.path={folder / 'data'}",
        f"--web.listen-address={address}",
    ]
    return subprocess.Popen(arguments, stderr=subprocess.DEVNULL), address


def wait_for_prometheus(address: str, paths: list[str]) -> Outcomes | str:
    """What Prometheus has made of every page, or why it is too early to say."""
    try:
        targets = {target["labels"]["page"]: target for target in ask(address, "targets")["activeTargets"]}
    except OSError as error:
        return str(error)
    if set(paths) != targets.keys() or any(target["health"] == "unknown" for target in targets.values()):
        return "not all scraped"
    samples: dict[str, dict[str, str]] = {path: {} for path in paths}
    for found in ask(address, "query?query=" + quote('{page=~".+"}'))["result"]:
        labels = dict(found["metric"])
        path = labels.pop("page")
        if not labels["__name__"].startswith(AUTOMATIC):
            samples[path][shown(labels)] = repr(float(found["value"][1]))
    return {
        path: Outcome(target["health"] == "up", target["lastError"], samples[path]) for path, target in targets.items()
    }


def ask(address: str, what: str) -> Any:
    with urlopen(f"http://{address}/api/v1/{what}", timeout=10) as sent:
        return json.load(sent)["data"]


def shown(labels: dict[str, str]) -> str:
    return repr(sorted((name, value) for name, value in labels.items() if name not in ("job", "instance", "page")))


async def scraped_here(here: World, server: PageServer) -> Outcomes:
    """What the ruler makes of every page."""
    jobs = [{"job_name": "j", "scrape_interval": "4s", "scrape_timeout": "4s", "static_configs": groups(server)}]
    here.apply(json.dumps(jobs))
    await here.discovered()
    while any(status.health is Health.UNKNOWN for status in here.manager.targets()):
        here.due()
        await here.settled()
    samples: dict[str, dict[str, str]] = {path: {} for path in server.pages}
    for row in here.storage.rows:
        for id_, value in zip(row.ids.tolist(), row.values.tolist(), strict=True):
            labels = here.storage.labels(id_)
            if not labels["__name__"].startswith(AUTOMATIC):
                samples[labels["page"]][shown(dict(labels))] = repr(value)
    return {
        status.labels["page"]: Outcome(status.health is Health.UP, status.last_error, samples[status.labels["page"]])
        for status in here.manager.targets()
    }


def test_the_same_pages_are_taken_and_refused(outcomes: tuple[Outcomes, Outcomes], testdata: Path) -> None:
    """Whatever a target sends, the ruler and Prometheus agree on whether the target is up."""
    ours, theirs = outcomes
    answers = served(testdata)
    differing = {
        path: (ours[path].up, ours[path].error, theirs[path].error, (answers[path] or b"")[-200:])
        for path in ours
        if ours[path].up != theirs[path].up
    }
    assert {} == differing
    assert len(ours) > 100


def test_the_same_samples_come_of_them(outcomes: tuple[Outcomes, Outcomes], testdata: Path) -> None:
    """Series for series and bit for bit: labels as unescaped and normalised, values as parsed, the first of two."""
    ours, theirs = outcomes
    answers = served(testdata)
    compared = [path for path in ours if ours[path].up and not brings_times(answers[path] or b"")]
    differing = {
        path: (ours[path].samples, theirs[path].samples)
        for path in compared
        if ours[path].samples != theirs[path].samples
    }
    assert {} == differing
    assert len(compared) > 50


def brings_times(sent: bytes) -> bool:
    """Whether a page has timestamps of its own: an instant query need not show those samples."""
    page = sent.partition(b"\r\n\r\n")[2]
    entries = parse_page(page) if b"gzip" not in sent and b"chunked" not in sent else ()
    return any(isinstance(entry, Sample) and entry.timestamp is not None for entry in entries)
