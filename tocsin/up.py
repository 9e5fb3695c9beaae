"""`tocsin up`: exporter, receiver and ruler in one process, on loopback, with every file made that is missing."""

from __future__ import annotations

import gc
import os
import socket
import sys
from http.client import HTTPConnection, HTTPException
from pathlib import Path

import click

from common import logs
from common.clock import SystemClock
from common.errors import StartError, TocsinError
from common.lifecycle import Signals
from common.serving import HttpServer, Listener, address_of, bind, split_address
from exporter.app import Exporter
from receiver.app import Receiver
from ruler.app import Ruler
from tocsin import firststart
from tocsin.firststart import Layout


@click.command()
@click.option("--data", envvar="TOCSIN_DATA", default="data", show_default=True, type=click.Path(path_type=Path))
@click.option("--ruler.listen-address", "ruler_at", envvar="TOCSIN_RULER_ADDRESS", default="127.0.0.1:9090")
@click.option("--receiver.listen-address", "receiver_at", envvar="TOCSIN_RECEIVER_ADDRESS", default="127.0.0.1:9091")
@click.option("--exporter.listen-address", "exporter_at", envvar="TOCSIN_EXPORTER_ADDRESS", default="127.0.0.1:9100")
@click.option("--log.level", "level", type=click.Choice(logs.LEVELS), default="info", show_default=True)
@click.option("--log.format", "style", type=click.Choice(logs.FORMATS), default="logfmt", show_default=True)
def up(data: Path, ruler_at: str, receiver_at: str, exporter_at: str, level: str, style: str) -> None:
    """Run exporter, receiver and ruler in one process, on loopback."""
    logs.configure(level, style)
    try:
        _up(Layout(data), ruler_at, receiver_at, exporter_at)
    except TocsinError as error:
        raise click.ClickException(str(error)) from None


