"""What `tocsin up` writes into an empty data directory, once: the files that its user then owns and edits.

Each file is written only when it is absent; nothing here ever overwrites one.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from receiver.tokens import new_token

SHIPPED = (Path(__file__).with_name("rules"), Path(__file__).parent.parent / "rules")  # installed, or a clone

PROMETHEUS_YML = """\
# What to scrape and which rules to evaluate: Prometheus's own format, so Prometheus can read this file too.
global:
  scrape_interval: 15s
  evaluation_interval: 15s

rule_files:
  - rules/*.yml

scrape_configs:
  # Hosts. To add one, add a line to targets/node.yml; it is picked up without a restart.
  - job_name: node
    file_sd_configs:
      - files: [targets/node.yml]

  # What applications push to the receiver keeps the labels that they pushed.
  - job_name: receiver
    honor_labels: true
    static_configs:
      - targets: ["{receiver}"]

  - job_name: tocsin
    static_configs:
      - targets: ["{ruler}"]
"""

TOCSIN_YML = """\
# What Prometheus has no key for. Below `notify` stands what an alertmanager.yml has: routes and receivers; a receiver
# takes Apprise URLs (https://appriseit.com/services/). Try one with `tocsin notify test URL`.
notify:
  route:
    receiver: default
    group_by: [alertname]
    group_wait: 30s
    group_interval: 5m
    repeat_interval: 4h
    routes:
      # The Watchdog always fires; it is there for a dead man's switch, not for people.
      - matchers: ['alertname = "Watchdog"']
        receiver: nobody
  receivers:
    # Without a URL, alerts are written to the log. TOCSIN_NOTIFY_URL, when set, is used here.
    - name: default
      # apprise_configs:
      #   - urls: ["ntfy://ntfy.sh/my-topic"]
    - name: nobody
"""

NODE_TARGETS = """\
# Hosts that run an exporter (ours or node_exporter): one `host:port` a line.
- targets:
    - {exporter}
"""


@dataclass(frozen=True, slots=True)
class Layout:
    """A Layout says where the files of a data directory are."""

    data: Path

    @property
    def prometheus(self) -> Path:
        return self.data / "prometheus.yml"

    @property
    def tocsin(self) -> Path:
        return self.data / "tocsin.yml"

    @property
    def node_targets(self) -> Path:
        return self.data / "targets" / "node.yml"

    @property
    def rules(self) -> Path:
        return self.data / "rules"

    @property
    def tokens(self) -> Path:
        return self.data / "api-tokens"

    @property
    def pushes(self) -> Path:
        return self.data / "receiver"

    @property
    def storage(self) -> Path:
        return self.data / "storage"


@dataclass(frozen=True, slots=True)
class Addresses:
    """Addresses are where the three programs listen, as `host:port`."""

    ruler: str
    receiver: str
    exporter: str


def write_absent(layout: Layout, addresses: Addresses) -> None:
    """Write the config files that are not there yet, naming these addresses."""
    _write(layout.prometheus, PROMETHEUS_YML.format(ruler=addresses.ruler, receiver=addresses.receiver))
    _write(layout.tocsin, TOCSIN_YML)
    _write(layout.node_targets, NODE_TARGETS.format(exporter=addresses.exporter))
    if not layout.rules.exists():
        shipped = next(path for path in SHIPPED if path.is_dir())
        for pack in sorted(shipped.glob("*.yml")):
            _write(layout.rules / pack.name, pack.read_text(encoding="utf-8"))


def first_token(layout: Layout) -> str | None:
    """A new push token when there is none yet, of which the file keeps only the hash; None when there is one."""
    if layout.tokens.exists():
        return None
    token, line = new_token("default")
    _write(layout.tokens, f"# One `name=token` a line; `tocsin up` keeps only hashes here.\n{line}\n", mode=0o600)
    return token


def _write(path: Path, text: str, mode: int = 0o644) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    except FileExistsError:
        return
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
