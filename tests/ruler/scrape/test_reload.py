"""A reload in the middle of scrapes: what did not change goes on, and what did begins anew without a gap."""

from __future__ import annotations

import asyncio

from tests.ruler.scrape.world import answer, page_server, world

JOBS = """
- {{job_name: same, scrape_interval: 10s, static_configs: [{{targets: ['{0}']}}], metrics_path: /same}}
- {{job_name: other, scrape_interval: 10s, static_configs: [{{targets: ['{0}']}}], metrics_path: /other, {1}}}
"""


def test_a_reload_between_request_and_answer_misses_no_sample() -> None:
    """Scrapes under way are seen through, also those of a job that changes; the next ones come in their time."""

    async def run() -> None:
        async with page_server() as server, world() as here:
            server.pages = {"/same": answer(b"a 1\n"), "/other": answer(b"b 1\n")}
            here.apply(JOBS.format(server.address, "sample_limit: 5"))
            kept = next(loop for loop in here.manager._loops if loop.target.pool == "same")
            places = {}
            for _ in range(4):
                here.due()
                running = [loop._task for loop in here.manager._loops if loop._task is not None]
                here.apply(JOBS.format(server.address, "sample_limit: 6" if "other" in places else "sample_limit: 7"))
                await asyncio.gather(*running)
                await here.settled()
                places["other"] = True
            assert kept is next(loop for loop in here.manager._loops if loop.target.pool == "same")
            by_job: dict[str, list[int]] = {"same": [], "other": []}
            for row in here.storage.rows:
                by_job[row.stream.split()[0]].append(row.time)
            for times in by_job.values():
                assert 2 == len(times)
                assert 10_000 == times[1] - times[0]
            assert [1.0] * 4 == here.up()

    asyncio.run(run())
