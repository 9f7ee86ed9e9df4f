"""Times the MCP server's tools, warm, as a client sees them: over a pipe, by the SDK's own client.

The store is built first, unmeasured; then every question goes to each tool, `--repeats` times. The
last line is one JSON object.

    python benchmarks/mcp_search.py [--corpus PATH] [--store FOLDER] [--repeats N]
"""

import argparse
import asyncio
import json
import os
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from statistics import median

from mcp import Client, StdioServerParameters
from our_program import QUESTIONS, OurProgram

from qa.config import bundled

SIDE_BY_SIDE = 10  # questions at once

Rows = dict[str, float]  # milliseconds


def main() -> None:
    """Measure, print the table, and the figures as one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--corpus", type=Path, default=bundled("seeds"))
    parser.add_argument("--store", type=Path, help="keeps the store between runs")
    parser.add_argument("--repeats", type=int, default=20)
    given = parser.parse_args()
    load = os.getloadavg()[0]
    with tempfile.TemporaryDirectory() as scratch:
        program = OurProgram(given.corpus, given.store or Path(scratch))
        program.rebuild()
        rows = asyncio.run(measured(program.environment(), given.repeats))
    for what, milliseconds in rows.items():
        print(f"{what:<40}  {milliseconds:>8.1f} ms")
    keys = {f"{what.replace(' ', '_').replace(',', '')}_ms": ms for what, ms in rows.items()}
    print(json.dumps({**{key: round(ms, 1) for key, ms in keys.items()}, "load_before": load}))


async def measured(environment: Mapping[str, str], repeats: int) -> Rows:
    """Start a server, and time its first answer and then warm ones."""
    server = StdioServerParameters(
        command=sys.executable, args=["-m", "qa", "mcp"], env=dict(environment)
    )
    began = time.perf_counter()
    async with Client(server) as client:
        rows = {"start of the server": since(began)}
        rows["first search"] = await timed(client, "search_papers", query=QUESTIONS[0])
        for tool, name in (("search_papers", "query"), ("ask", "question")):
            times = [
                await timed(client, tool, **{name: question})
                for _ in range(repeats)
                for question in QUESTIONS
            ]
            rows[f"{tool}, median"], rows[f"{tool}, slowest"] = median(times), max(times)
        rows[f"ask, {SIDE_BY_SIDE} at once"] = await at_once(client)
    return rows


async def timed(client: Client, tool: str, **arguments: str) -> float:
    """The milliseconds of one call."""
    began = time.perf_counter()
    result = await client.call_tool(tool, arguments)
    if result.is_error:
        raise RuntimeError(result.content)
    return since(began)


async def at_once(client: Client) -> float:
    """The milliseconds of several questions put at the same time, to the last answer."""
    began = time.perf_counter()
    questions = [QUESTIONS[i % len(QUESTIONS)] for i in range(SIDE_BY_SIDE)]
    await asyncio.gather(*(timed(client, "ask", question=question) for question in questions))
    return since(began)


def since(began: float) -> float:
    """The milliseconds since then."""
    return 1000 * (time.perf_counter() - began)


if __name__ == "__main__":
    main()
