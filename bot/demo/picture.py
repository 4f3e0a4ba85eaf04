"""``python -m bot.demo.picture FILE.svg``: the demo's transcript as a picture, for the README."""

import asyncio
import re
import sys
from pathlib import Path

from rich.console import Console

from bot.demo.scene import play
from bot.logs import configure

WIDTH = 100
# The picture names fonts only; it loads none from elsewhere.
FONT_FACE = re.compile(r"@font-face \{.*?\}\s*", re.DOTALL)


def main(path: str) -> int:
    configure("console", verbose=False, quiet=True)
    console = Console(record=True, width=WIDTH, force_terminal=True)
    code = asyncio.run(play(once=True, port=None, keep=False, console=console))
    picture = FONT_FACE.sub("", console.export_svg(title="clusterdesk demo"))
    Path(path).write_text(picture, encoding="utf-8")
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
