"""``python -m bench.routing desks FILE.tsv`` or ``python -m bench.routing crosslingual DIR``."""

import argparse
import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

from bench.routing import crosslingual, desks

PARTS: Mapping[str, Callable[[Path], Awaitable[dict[str, Any]]]] = {
    "desks": desks.run,
    "crosslingual": crosslingual.run,
}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.routing", description=__doc__)
    parser.add_argument("part", choices=PARTS)
    parser.add_argument("path", type=Path, help="the questions, or the folder of the ESCO files")
    options = parser.parse_args()
    print(json.dumps(asyncio.run(_run(PARTS[options.part], options.path))))


async def _run(part: Callable[[Path], Awaitable[dict[str, Any]]], path: Path) -> dict[str, Any]:
    return await part(path)


if __name__ == "__main__":
    main()
