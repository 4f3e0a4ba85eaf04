"""``python -m bench [echo|burst|pipeline|rooms …] [--quick] [--json]``: all of them without a name.

Exit code 1 when an aim was missed and ``--strict`` was given.
"""

import argparse
import asyncio
import json
import sys
from collections.abc import Awaitable, Callable, Mapping

from rich.console import Console

from bench import burst, echo, pipeline, rooms
from bench.report import Result, aims_met, load_average, show

Benchmark = Callable[[], Awaitable[Result]]

FULL: Mapping[str, Benchmark] = {
    "echo": lambda: echo.measure(rounds=300),
    "burst": lambda: burst.measure(commands=500),
    "pipeline": lambda: pipeline.measure(pipeline.Load(commands=2000, rounds=3)),
    "rooms": lambda: rooms.measure((10, 100, 1000)),
}
QUICK: Mapping[str, Benchmark] = {
    "echo": lambda: echo.measure(rounds=30),
    "burst": lambda: burst.measure(commands=80),
    "pipeline": lambda: pipeline.measure(pipeline.Load(commands=400, rounds=1)),
    "rooms": lambda: rooms.measure((10, 100)),
}


def main() -> int:
    options = _parser().parse_args()
    benchmarks = QUICK if options.quick else FULL
    # Tables go out as they are ready; with --json only JSON may.
    console = Console(stderr=options.json)
    results = asyncio.run(_run(benchmarks, options.names or list(benchmarks), console))
    if options.json:
        print(json.dumps({name: each.as_json() for name, each in results.items()}, indent=2))
    return 0 if aims_met(results) or not options.strict else 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("names", nargs="*", type=_known, metavar="NAME")
    parser.add_argument("--quick", action="store_true", help="small sizes: does it run at all?")
    parser.add_argument("--json", action="store_true", help="the figures as JSON on stdout")
    parser.add_argument("--strict", action="store_true", help="exit code 1 for a missed aim")
    return parser


def _known(name: str) -> str:
    """``choices`` would refuse an empty list of names."""
    if name not in FULL:
        raise argparse.ArgumentTypeError(f"{name} is none of {', '.join(FULL)}")
    return name


async def _run(
    benchmarks: Mapping[str, Benchmark], names: list[str], console: Console
) -> dict[str, Result]:
    results: dict[str, Result] = {}
    for name in names:
        before = load_average()
        results[name] = await benchmarks[name]()
        results[name].load = (before, load_average())
        show(console, results[name])
    return results


if __name__ == "__main__":
    sys.exit(main())
