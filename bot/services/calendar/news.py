"""News: what an admin has to tell, in one room or in many."""

from bot.domain import content
from bot.domain.errors import UserError
from bot.services.calendar.common import ready_rooms
from bot.services.instance import Instance
from bot.services.members import name
from bot.services.speech import say
from config.locales import N_
from storage import audit, rooms
from storage.database import Uow
from storage.rooms import Room

ALL = "all"
KINDS = ("cluster", "desk", "forum")
MOST_LETTERS = 5_000


async def announce(uow: Uow, instance: Instance, text: str, room: str | None, by: str) -> None:
    """In the room of this key, in ``all`` of them, or by default where events are announced."""
    if len(text) > MOST_LETTERS:
        raise UserError(
            "news-too-long",
            N_("That is too long to read in a chat: {most} characters at most."),
            most=MOST_LETTERS,
        )
    author = await name(uow, by)
    piece = content.lines(content.join(" ", ["📣", content.bold(author)]), text.strip())
    for each in await _rooms(uow, instance, room):
        say(uow, each.room_id, piece, "news")
    audit.note(uow.session, uow.now, by, "announce", room=room or "clusters")


async def _rooms(uow: Uow, instance: Instance, key: str | None) -> list[Room]:
    if key is None:
        return await ready_rooms(uow, instance, ())
    found = [each for each in await rooms.managed(uow.session) if each.kind in KINDS]
    chosen = [each for each in found if key in (ALL, each.key)]
    return chosen or await ready_rooms(uow, instance, (key,))
