"""What a command gets to work with, and how it answers."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from bot.domain.content import Piece
from bot.domain.errors import UserError
from bot.domain.incoming import Incoming, Message, Needed, Reaction
from bot.domain.roles import Role
from bot.services.instance import Instance
from bot.services.speech import say
from commands.registry import Registry
from config.locales import N_, Translator
from storage.database import Uow
from storage.links import Link
from storage.outbox import OutboxRow
from storage.rooms import Room


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """One act of one person, in one transaction.

    ``incoming`` is the message or reaction; ``lane`` the room as the outbox names it; ``room`` what
    we manage there, None in a room of others; ``about`` what the message is said about: the link
    of the thread it stands in or of the message it replies to. ``fetched`` holds events asked for
    with ``event``.
    """

    uow: Uow
    instance: Instance
    incoming: Message | Reaction
    lane: str
    room: Room | None
    is_direct: bool
    roles: frozenset[Role]
    tr: Translator
    about: Link | None = None
    fetched: Mapping[str, Incoming | None]
    registry: Registry

    @property
    def sender(self) -> str:
        return self.incoming.sender

    @property
    def target(self) -> str:
        """The event that a reaction is on."""
        assert isinstance(self.incoming, Reaction)
        return self.incoming.target

    def reply(
        self, piece: Piece, kind: str = "reply", *, link: Link | None = None, **fields: Any
    ) -> OutboxRow:
        """Answer where it was said: in the message's thread, or as a reply in a direct room."""
        message = self.incoming
        if not isinstance(message, Message):
            thread = self.about.event_id if self.about else None
            return say(self.uow, self.lane, piece, kind, reply_to=thread, link=link, **fields)
        if self.is_direct and message.thread is None:
            return say(
                self.uow, self.lane, piece, kind, reply_to=message.event_id, link=link, **fields
            )
        return say(
            self.uow,
            self.lane,
            piece,
            kind,
            thread=message.root,
            reply_to=message.event_id,
            link=link,
            **fields,
        )

    def done(self) -> None:
        """Say with a reaction that it is done, where words would add nothing."""
        if isinstance(self.incoming, Message):
            self.uow.outbox.react(self.lane, self.incoming.event_id, "✅")

    def event(self, event_id: str) -> Message:
        """An earlier message, as its author last edited it.

        Raises ``Needed`` when it has to be fetched first, ``UserError`` when there is none.
        """
        if event_id not in self.fetched:
            raise Needed(self.incoming.room_id, event_id)
        found = self.fetched[event_id]
        if not isinstance(found, Message):
            raise UserError(
                "message-unreadable", N_("I can’t read that message. Please write its text to me.")
            )
        return found
