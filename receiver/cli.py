"""`tocsin receiver` on the command line."""

from __future__ import annotations

import logging
import os
import sys
from pathlib import Path

import click

from common.clock import SystemClock
from common.errors import ConfigError, StartError
from common.flags import log_flags
from common.lifecycle import Signals
from common.logs import configure, facts
from common.serving import HttpServer, Listener, address_of, bind
from receiver.app import Receiver, ReceiverSettings
from receiver.gauges import Limits
from receiver.tokens import load_tokens

log = logging.getLogger("receiver")


@click.command("receiver", context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 120})
@click.option("--web.listen-address", "addresses", envvar="TOCSIN_RECEIVER_ADDRESS", multiple=True, default=(":9091",),
              show_default=True, show_envvar=True, help="Where to listen; may be given again.")  # fmt: skip
@click.option("--api-tokens-file", "tokens_file", envvar="TOCSIN_API_TOKENS_FILE", show_envvar=True,
              type=click.Path(path_type=Path), help="File of tokens that may push, one `name=token` a line. "
              "More may stand in TOCSIN_API_TOKENS, with commas between them.")  # fmt: skip
@click.option("--persistence.path", "directory", envvar="TOCSIN_RECEIVER_PATH", default="data/receiver",
              show_default=True, show_envvar=True,
              help="Directory in which pushed values survive a restart; empty: nowhere.")  # fmt: skip
@click.option("--limit.series-per-token", "per_server", type=click.IntRange(min=1), default=Limits().per_server,
              show_default=True, help="Series that one token may hold.")  # fmt: skip
@click.option("--limit.series", "total", type=click.IntRange(min=1), default=Limits().total,
              show_default=True, help="Series that all tokens together may hold.")  # fmt: skip
@log_flags
def receiver(
    addresses: tuple[str, ...],
    tokens_file: Path | None,
    directory: str,
    per_server: int,
    total: int,
    level: str,
    style: str,
) -> None:
    """Take JSON that applications push and show it to Prometheus as gauges."""
    configure(level, style)
    try:
        settings = ReceiverSettings(
            tokens=load_tokens(os.environ.get("TOCSIN_API_TOKENS", ""), tokens_file),
            directory=Path(directory) if directory else None,
            limits=Limits(per_server, total),
        )
        run(settings, addresses)
    except (ConfigError, StartError) as error:
        log.error(str(error))
        sys.exit(1)


def run(settings: ReceiverSettings, addresses: tuple[str, ...]) -> None:
    """Serve until a signal asks for the end; raises StartError."""
    signals = Signals()
    if not settings.tokens:
        log.warning("there are no API tokens, so every push is refused: set TOCSIN_API_TOKENS or --api-tokens-file")
    sockets = [bind(address, "receiver") for address in addresses]
    program = Receiver(settings, SystemClock())
    server = HttpServer([Listener("receiver", bound, program.app) for bound in sockets])
    server.start()
    for bound in sockets:
        log.info("listening", extra=facts(address=address_of(bound), tokens=len(settings.tokens)))
    signals.wait()
    log.info("stopping")
    server.stop()
    program.close()
