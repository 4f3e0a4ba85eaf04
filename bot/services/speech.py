"""Saying something: a piece becomes an outbox row, tagged, linked and where it belongs."""

from datetime import datetime
from typing import Any

from bot.domain import content
from bot.domain.content import Piece
from storage.database import Uow
from storage.links import Link
from storage.outbox import OutboxRow


def say(
    uow: Uow,
    lane: str,
    piece: Piece,
    kind: str,
    *,
    thread: str | None = None,
    reply_to: str | None = None,
    rings: bool = False,
    link: Link | None = None,
    not_before: datetime | None = None,
    **fields: Any,
) -> OutboxRow:
    """Queue a message of ``kind`` (interface.md, "Messages") with its machine-readable fields.

    ``rings`` makes it an ``m.text``: push rules silence notices, also those that mention somebody.
    """
    message = content.message(piece, msgtype="m.text" if rings else "m.notice")
    message = content.tagged(message, kind, **fields)
    if thread is not None:
        message = content.threaded(message, thread, reply_to)
    elif reply_to is not None:
        message = content.replying(message, reply_to)
    return uow.outbox.send(lane, message, link=link, not_before=not_before)


def edit(
    uow: Uow,
    link: Link,
    piece: Piece,
    kind: str,
    *,
    rings: bool = False,
    already: frozenset[str] = frozenset(),
    **fields: Any,
) -> OutboxRow:
    """Queue an edit of the message behind ``link``, sent or not."""
    message = content.message(piece, msgtype="m.text" if rings else "m.notice")
    message = content.replacing(
        content.tagged(message, kind, **fields), link.event_id, already or piece.mentions
    )
    return uow.outbox.send(link.lane, message)


def linked(uow: Uow, role: str, subject: int, **more: Any) -> Link:
    """A link for a message about to be queued."""
    return Link(role=role, subject=subject, created_at=uow.now, **more)


def remember(uow: Uow, role: str, subject: int, event_id: str, lane: str, **more: Any) -> Link:
    """Store what a person's own event is to a subject."""
    link = linked(uow, role, subject, event_id=event_id, lane=lane, **more)
    uow.session.add(link)
    return link
