"""A room of the network was replaced by another: the conversations in it go on there.

Threads cannot reach into another room. An open question gets a new acknowledgement or a new card
in the successor, and from then on its thread is there.
"""

from bot.services.instance import Instance
from bot.services.questions.cards import acknowledge, post_card
from bot.services.questions.common import card
from storage import questions
from storage.database import Uow


async def rehome(uow: Uow, instance: Instance, old: str, new: str) -> None:
    """Take the open questions of the room ``old`` along to ``new`` (room ids)."""
    for question in await questions.open_in(uow.session):
        if question.lane == old:
            question.lane, question.root = new, ""
            await acknowledge(uow, instance, question)
        home = await card(uow, question)
        if home is not None and home.lane == old:
            await post_card(uow, instance, question, new, home.source)
