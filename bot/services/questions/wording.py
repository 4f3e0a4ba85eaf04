"""The text of a question: what was asked, and what its asker added before anybody had it.

What was added is kept beside its message, so that it can be edited and deleted like any other.
"""

from bot.services.instance import Instance
from bot.services.questions import offers
from bot.services.questions.cards import refresh_cards
from bot.services.questions.suggesting import unsay
from bot.services.routing.loading import keep_meaning
from bot.services.speech import remember
from storage import links, questions
from storage.database import Uow
from storage.links import Link
from storage.questions import Question

LONGEST = 30_000
_ADDED = "added"


async def reword(uow: Uow, instance: Instance, question: Question, text: str) -> None:
    """The asker edited what they asked: so is the card, or the private offer."""
    added = "".join(_of(each) for each in await _additions(uow, question))
    question.text = f"{text}{added}"[:LONGEST]
    question.last_activity_at = uow.now
    await unsay(uow, question.id)
    await _follow(uow, instance, question)


async def add(
    uow: Uow, instance: Instance, question: Question, event_id: str, lane: str, text: str
) -> None:
    """Nobody has the question yet: what is added goes along with it."""
    added = f"\n\n{text}"[: LONGEST - len(question.text)]
    remember(
        uow,
        "question.said",
        question.id,
        event_id,
        lane,
        author=question.asker,
        data={_ADDED: added},
    )
    question.text += added
    await _follow(uow, instance, question)


async def change_added(
    uow: Uow, instance: Instance, event_id: str, text: str | None, by: str | None = None
) -> bool:
    """An addition is edited ``by`` somebody, or deleted: ``text`` is None. False when the message
    is none."""
    link = await links.find(uow.session, event_id)
    if link is None or link.role != "question.said" or not _of(link):
        return False
    question = await questions.get(uow.session, link.subject)
    if question is None or not question.text or by not in (None, link.author):
        return False
    additions = await _additions(uow, question)
    asked = question.text.removesuffix("".join(_of(each) for each in additions))
    link.data = {_ADDED: f"\n\n{text}"} if text else None
    await uow.session.flush()
    await reword(uow, instance, question, asked)
    return True


async def forget_added(uow: Uow, question: Question) -> None:
    for link in await _additions(uow, question):
        link.data = None


async def _additions(uow: Uow, question: Question) -> list[Link]:
    found = await links.of(uow.session, question.id, "question.said")
    return [each for each in found if _of(each)]


def _of(link: Link) -> str:
    return str((link.data or {}).get(_ADDED, ""))


async def _follow(uow: Uow, instance: Instance, question: Question) -> None:
    await keep_meaning(uow, instance.router, question)
    await refresh_cards(uow, instance, question)
    await offers.refresh_private(uow, instance, question)
