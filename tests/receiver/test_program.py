"""`tocsin receiver` as a real process: what it acknowledged survives its death, and it starts and stops cleanly."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection, HTTPException
from pathlib import Path

import pytest

TOKEN = "a-token-for-tests"


@contextmanager
def program(
    directory: Path, *arguments: str, address: str = "127.0.0.1:0"
) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """A running receiver and its port; killed at the end if it still runs."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tocsin", "receiver", f"--web.listen-address={address}",
         f"--persistence.path={directory}", *arguments],
        stderr=subprocess.PIPE, text=True, env={**os.environ, "TOCSIN_API_TOKENS": f"web-1={TOKEN}"},
    )  # fmt: skip
    assert process.stderr is not None
    try:
        port = 0
        for line in process.stderr:
            if "msg=listening" in line:
                port = int(line.partition("address=127.0.0.1:")[2].split()[0])
                break
        yield process, port
    finally:
        process.kill()
        process.wait()
        process.stderr.close()


def ask(port: int, method: str, path: str, body: str = "") -> tuple[int, str]:
    connection = HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        headers = {"Content-Type": "application/json", "X-API-Token": TOKEN}
        connection.request(method, path, body, headers)
        answer = connection.getresponse()
        return answer.status, answer.read().decode()
    finally:
        connection.close()


def test_every_acknowledged_push_survives_a_kill(tmp_path: Path) -> None:
    """kill -9 in the midst of pushes from four clients: whatever was answered with 200 is there after the restart."""
    acknowledged: list[dict[int, int]] = [{} for _ in range(4)]
    enough = threading.Event()

    def push_for_ever(client: int, port: int) -> None:
        connection = HTTPConnection("127.0.0.1", port, timeout=5)
        headers = {"Content-Type": "application/json", "X-API-Token": TOKEN}
        for number in range(1_000_000):
            body = f'{{"labels": {{"client": "{client}"}}, "metrics": {{"m{number % 50}": {number}}}}}'
            try:
                connection.request("POST", "/api/v1/push", body, headers)
                answer = connection.getresponse()
                answer.read()
            except (OSError, HTTPException):
                break
            assert 200 == answer.status
            acknowledged[client][number % 50] = number
            if number == 200:
                enough.set()
        connection.close()

    with program(tmp_path) as (process, port):
        clients = [threading.Thread(target=push_for_ever, args=(client, port)) for client in range(4)]
        for each in clients:
            each.start()
        assert enough.wait(20)
        process.kill()
        for each in clients:
            each.join()
    with program(tmp_path) as (_, port):
        _, page = ask(port, "GET", "/metrics")
    shown = dict(line.rsplit(" ", 1) for line in page.splitlines() if line.startswith("m"))
    assert 50 <= len(acknowledged[0])
    for client, newest in enumerate(acknowledged):
        for name, number in newest.items():
            # a push whose answer was lost in the kill may have been saved too
            assert float(shown[f'm{name}{{client="{client}",server="web-1"}}']) in (number, number + 50)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_cleanly(tmp_path: Path, number: signal.Signals) -> None:
    """It answers until it is asked to stop, and then ends with 0."""
    with program(tmp_path) as (process, port):
        assert (200, "Tocsin receiver is healthy.\n") == ask(port, "GET", "/-/healthy")
        process.send_signal(number)
        assert 0 == process.wait(5)


def test_a_taken_port_is_one_line(tmp_path: Path) -> None:
    """No traceback, exit code 1."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        ended = subprocess.run(
            [sys.executable, "-m", "tocsin", "receiver", f"--persistence.path={tmp_path}",
             f"--web.listen-address=127.0.0.1:{taken.getsockname()[1]}"],
            check=False, capture_output=True, text=True, timeout=20,
            env={**os.environ, "TOCSIN_API_TOKENS": TOKEN},
        )  # fmt: skip
    assert (1, 1) == (ended.returncode, len(ended.stderr.splitlines()))
    assert "is taken by another program" in ended.stderr


def test_no_number_crunching_and_no_notifier_is_loaded() -> None:
    """The receiver's process has no numpy, no Apprise and no SQLAlchemy in it."""
    code = "import receiver.cli, sys; print(sorted({'numpy', 'apprise', 'sqlalchemy'} & set(sys.modules)))"
    assert "[]\n" == subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
