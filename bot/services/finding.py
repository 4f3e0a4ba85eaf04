"""What the network already knows: questions that were asked, events that were announced.

Questions are found by their meaning, in any language, and by their words; events by words. Nothing
private is ever found.
"""

from collections.abc import Iterable, Sequence
from typing import TypeVar

from bot.domain import content
from bot.domain.content import Piece
from bot.domain.routing.terms import words
from bot.services.instance import Instance
from bot.services.questions.views import line
from bot.services.routing.router import Router, text_of
from config.locales import Translator
from storage import calendar, questions
from storage.database import Uow

T = TypeVar("T")

SHOWN = 5
ALIKE = 0.25
"""Likeness from which on something is shown to whoever looks for it; words in common without an
encoder."""


async def find(
    uow: Uow, instance: Instance, sought: Sequence[str], tr: Translator, viewer: str
) -> Piece:
    wanted = set(words(" ".join(sought)))
    numbers = questions_like(instance.router, " ".join(sought))
    asked = [await questions.get(uow.session, each) for each in numbers]
    planned = await calendar.upcoming(uow.session, uow.now)
    found = [
        await line(uow, instance, each, tr, viewer)
        for each in asked
        if each is not None and not each.private
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


def questions_like(router: Router, sought: str) -> list[int]:
    """The numbers of public questions that come near, the nearest first. Raises ``Unencoded``."""
    text = text_of(sought, None)
    meant = router.meaning(text)
    likeness = router.memory.questions.likeness(text.words, None, meant)
    past = router.memory.past
    enough = ALIKE if meant is not None else 0.0
    near = [n for n in likeness if likeness[n] > enough and n in past and past[n].shown]
    return sorted(near, key=lambda number: -likeness[number])[:SHOWN]


def best(wanted: set[str], texts: Iterable[tuple[str, T]]) -> list[T]:
    """Those that have most of the words, of equals the first."""
    scored = [(len(wanted & set(words(text))), each) for text, each in texts]
    ranked = sorted((each for each in scored if each[0]), key=lambda each: -each[0])
    return [each for _, each in ranked[:SHOWN]]
