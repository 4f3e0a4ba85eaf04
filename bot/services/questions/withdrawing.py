"""A question is taken back: because its asker deleted it, left, or is erased.

Every copy of it goes: cards, private offers, what was added to it. Its answers stay, they are
somebody else's words.
"""

from functools import partial

from bot.domain.questions import OfferState, Status
from bot.services import speech
from bot.services.instance import Instance
from bot.services.questions.cards import refresh_acknowledgement
from bot.services.questions.closing import shut
from bot.services.questions.common import is_open
from bot.services.questions.suggesting import unsay
from bot.services.questions.wording import forget_added
from bot.services.routing.loading import QUESTION, forget_asked
from storage import links, questions, rooms, routing
from storage.database import Uow
from storage.questions import Question


async def withdrawn(uow: Uow, instance: Instance, question: Question) -> None:
    """The asker deleted their question."""
    was_open = is_open(question) or question.status == Status.MERGED
    await take_back(uow, instance, question)
    if was_open:
        await shut(uow, instance, question, Status.WITHDRAWN, "withdrawn")
        await refresh_acknowledgement(uow, instance, question)
    else:
        question.status = Status.WITHDRAWN


async def take_back(uow: Uow, instance: Instance, question: Question) -> None:
    """Redact the copies and forget the text. Harmless when it was done before."""
    if not question.text:
        return
    roles = ["question.card", "question.followup"]
    if question.private:
        roles.append("question.offer")
        for offer in await questions.offers(uow.session, question.id):
            # The message goes: there is nothing left to edit.
            if offer.state == OfferState.OPEN:
                offer.state = OfferState.WITHDRAWN
    for link in await links.of(uow.session, question.id, *roles):
        await speech.take_back(uow, link)
    question.text = ""
    await forget_added(uow, question)
    await unsay(uow, question.id)
    await forget_asked(uow, instance.router, question.id)
    await routing.forget_vectors(uow.session, QUESTION, [str(question.id)])
    uow.then(partial(instance.router.memory.drop, question.id))


async def asker_left(uow: Uow, instance: Instance, room_id: str, user_id: str) -> None:
    """They left the room they asked in, or the whole network with the space."""
    room = await rooms.by_id(uow.session, room_id)
    whole = room is not None and room.kind == "space"
    for question in await questions.open_of_asker(uow.session, user_id):
        if whole or question.lane == room_id:
            await take_back(uow, instance, question)
            await shut(uow, instance, question, Status.WITHDRAWN, "left")
