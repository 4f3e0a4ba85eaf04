"""What is heard in the rooms: that somebody spoke, and questions nobody has taken charge of.

Every message passes here, so each costs one statement, or two when it answers or asks something.
"""

from bot.domain.activity import Loose, today
from bot.domain.incoming import Message
from bot.domain.language import is_question_like
from bot.services.instance import Instance
from storage import activity, links
from storage.activity import LooseQuestion
from storage.database import Uow
from storage.rooms import Room

SPOKEN_IN = frozenset({"cluster", "desk", "forum"})


async def spoke(uow: Uow, instance: Instance, message: Message, room: Room | None) -> None:
    """Count the message into its day, if it was said where the network meets."""
    if room is None or room.kind not in SPOKEN_IN:
        return
    # A homeserver's clock may run ahead; nobody has spoken tomorrow.
    day = today(min(message.at, uow.now), instance.zone)
    await activity.count_message(uow.session, day, room.room_id, message.sender)


async def heard(uow: Uow, instance: Instance, message: Message, room: Room) -> None:
    """A message in a cluster or forum room that belongs to no question's conversation."""
    await spoke(uow, instance, message, room)
    if room.kind != "cluster":
        return
    under = {each for each in (message.thread, message.reply_to) if each is not None}
    if under:
        await activity.answered_by(uow.session, under, message.sender)
    elif instance.network.desks and _asks_everybody(message):
        _note(uow, message)


def _asks_everybody(message: Message) -> bool:
    """Who asks one person by name waits for that person, not for us."""
    asks = message.msgtype == "m.text" and is_question_like(message.body)
    return asks and not message.mentions


def _note(uow: Uow, message: Message) -> None:
    uow.session.add(
        LooseQuestion(
            event_id=message.event_id,
            room_id=message.room_id,
            author=message.sender,
            text=message.body,
            asked_at=min(message.at, uow.now),
        )
    )


async def edited(uow: Uow, message: Message) -> None:
    """Keep the words of a loose question; one that is no question any more is left alone."""
    assert message.edits is not None
    loose = await activity.loose_by_event(uow.session, message.edits)
    if loose is None or loose.author != message.sender or loose.text is None:
        return
    loose.text = message.body
    if loose.state == Loose.WAITING and not is_question_like(message.body):
        drop(loose)


async def redacted(uow: Uow, event_id: str) -> None:
    """Who takes a question back is not asked about it, and not reminded of it either."""
    loose = await activity.loose_by_event(uow.session, event_id)
    if loose is None or loose.state not in (Loose.WAITING, Loose.NUDGED):
        return
    for nudge in await links.of(uow.session, loose.id, "nudge"):
        uow.outbox.redact(nudge.lane, nudge.event_id)
    drop(loose)


def drop(loose: LooseQuestion) -> None:
    loose.state, loose.text = Loose.DROPPED, None
