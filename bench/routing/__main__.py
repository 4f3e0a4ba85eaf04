"""``python -m bench.routing all DATA``, or one part with files of its own: ``… replay FILE…``.

Each part prints one line of JSON on standard output, tables go to standard error. Exit code 1 when
something that must be reached was missed and ``--strict`` was given, 2 when a file is missing.
"""

import argparse
import asyncio
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from bench.report import Result, aims_met, load_average, show
from bench.routing.parts import PARTS, Part, table


def main() -> int:
    options = _parser().parse_args()
    chosen = _chosen(options)
    missing = [path for _, paths in chosen for path in paths if not path.exists()]
    for path in missing:
        print(f"{path} is not there.", file=sys.stderr)
    if missing:
        return 2
    results = asyncio.run(_run(chosen, Console(stderr=True)))
    return 0 if aims_met(results) or not options.strict else 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m bench.routing", description=__doc__)
    parser.add_argument("--strict", action="store_true", help="exit code 1 for a missed aim")
    names = parser.add_subparsers(dest="part", required=True)
    everything = names.add_parser("all", help="all parts, on the files of a folder")
    everything.add_argument("files", nargs=1, type=Path, metavar="DATA")
    for part in _there():
        command = names.add_parser(part.name)
        if part.many:
            command.add_argument("files", nargs="+", type=Path, metavar=part.arguments[0])
        for argument in () if part.many else part.arguments:
            command.add_argument("files", action="append", type=Path, metavar=argument)
    return parser


def _there() -> list[Part]:
    return [part for part in PARTS if part.is_there]


def _chosen(options: argparse.Namespace) -> list[tuple[Part, list[Path]]]:
    files: list[Path] = getattr(options, "files", [])
    if options.part == "all":
        return [(part, part.paths(files[0])) for part in _there()]
    return [(part, files) for part in _there() if part.name == options.part]


async def _run(
    chosen: Sequence[tuple[Part, Sequence[Path]]], console: Console
) -> dict[str, Result]:
    results: dict[str, Result] = {}
    for part, paths in chosen:
        before = load_average()
        line = await part.run(paths)
        print(json.dumps(line, ensure_ascii=False), flush=True)
        results[part.name] = table(part, line)
        results[part.name].load = (before, load_average())
        show(console, results[part.name])
    return results


if __name__ == "__main__":
    sys.exit(main())
