"""The control room: where the bot tells admins what only they can mend."""

from bot.domain.content import Piece
from bot.services.instance import Instance
from bot.services.speech import say
from config.locales import N_
from storage import rooms
from storage.database import Uow
from storage.inbox import InboxRow
from storage.outbox import OutboxRow

CONTROL = "control"


async def alert(uow: Uow, piece: Piece) -> None:
    """Say something to the admins, if the control room exists already."""
    room = await rooms.find(uow.session, CONTROL, CONTROL)
    if room is not None:
        say(uow, room.room_id, piece, "alert")


async def event_buried(uow: Uow, instance: Instance, row: InboxRow) -> None:
    message = N_(
        "⚠️ I could not handle a message in {room}, after several tries. It is kept (no. {number}); "
        "the log says why."
    )
    languages = instance.network.languages[:1]
    piece = instance.texts.each(languages, message, room=row.room_id, number=row.id)
    await alert(uow, piece)


async def send_buried(uow: Uow, instance: Instance, row: OutboxRow) -> None:
    room = await rooms.find(uow.session, CONTROL, CONTROL)
    if room is not None and row.lane == room.room_id:
        return
    message = N_(
        "⚠️ The homeserver refuses a message of mine in {room}. It is kept (no. {number}); "
        "the log says why. Am I still in that room, with the right to write there?"
    )
    languages = instance.network.languages[:1]
    piece = instance.texts.each(languages, message, room=row.lane, number=row.id)
    await alert(uow, piece)
