"""What the network already knows: questions that were asked, events that were announced.

Lean: words in common, folded and stemmed as for routing. Nothing private is ever found.
"""

from collections.abc import Iterable, Sequence
from typing import TypeVar

from bot.domain import content
from bot.domain.content import Piece
from bot.domain.routing.lean import words
from bot.services.instance import Instance
from bot.services.questions.views import line
from config.locales import Translator
from storage import calendar, questions
from storage.database import Uow

T = TypeVar("T")

SEARCHED = 2_000
"""How many of the newest questions are looked through."""
SHOWN = 5


async def find(
    uow: Uow, instance: Instance, sought: Sequence[str], tr: Translator, viewer: str
) -> Piece:
    wanted = set(words(" ".join(sought)))
    asked = await questions.public(uow.session, SEARCHED)
    planned = await calendar.upcoming(uow.session, uow.now)
    found = [
        await line(uow, instance, each, tr, viewer)
        for each in best(wanted, ((each.text, each) for each in asked))
    ]
    found += [
        content.join(" · ", [f"📅 {each.id}", each.title, tr.when(each.starts_at, instance.zone)])
        for each in best(wanted, ((f"{each.title} {each.description}", each) for each in planned))
    ]
    if not found:
        return tr(
            "Nothing found. To ask the experts: {command}",
            command=instance.typed(f"{tr.plain('ask')} …"),
        )
    return content.bullets(found)


def best(wanted: set[str], texts: Iterable[tuple[str, T]]) -> list[T]:
    """Those that have most of the words, of equals the first."""
    scored = [(len(wanted & set(words(text))), each) for text, each in texts]
    ranked = sorted((each for each in scored if each[0]), key=lambda each: -each[0])
    return [each for _, each in ranked[:SHOWN]]
