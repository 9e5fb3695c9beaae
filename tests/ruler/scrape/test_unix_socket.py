"""Targets that listen on a socket of the file system."""

from __future__ import annotations

import asyncio
from pathlib import Path

from tests.ruler.scrape.world import PageServer, answer, world


def test_a_target_may_listen_on_a_unix_socket(tmp_path: Path) -> None:
    """The label says where to connect to; what is asked, and the instance, stay those of the address."""

    async def run() -> None:
        state = PageServer({"/metrics": answer(b"a 1\n")})
        path = tmp_path / "target.sock"
        server = await asyncio.start_unix_server(state.accept, path)
        try:
            async with world() as here:
                labels = f"labels: {{__unix_socket__: '{path}'}}"
                here.apply(f"- {{job_name: j, static_configs: [{{targets: ['host.example:1'], {labels}}}]}}")
                await here.tick()
                (status,) = here.manager.targets()
                assert (1.0, "", "host.example:1") == (here.up()[0], status.last_error, status.labels["instance"])
                assert ["host.example:1"] == [headers["host"] for _, headers in state.requests]
        finally:
            server.close()
            for writer in state.writers:
                writer.transport.abort()
            await asyncio.gather(*state.serving)

    asyncio.run(run())
