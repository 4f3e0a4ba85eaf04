"""Saying something: a piece becomes an outbox row, tagged, linked and where it belongs."""

from datetime import datetime
from typing import Any

from bot.domain import content
from bot.domain.content import Piece
from storage import links
from storage.database import Uow
from storage.links import Link
from storage.outbox import OutboxRow

EDIT = "edit"
"""The role of a link for an edit; its subject is the link of what was edited."""


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


async def edit(
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
    return await replace(uow, link, message)


async def replace(uow: Uow, link: Link, message: content.Content) -> OutboxRow:
    """Queue ``message``, which is an edit of the one behind ``link``."""
    await uow.session.flush()
    return uow.outbox.send(link.lane, message, link=linked(uow, EDIT, link.id, author=link.author))


async def take_back(uow: Uow, link: Link) -> None:
    """Queue the redaction of a message of ours, and of its edits: they hold its text as well."""
    uow.outbox.redact(link.lane, link.event_id)
    await take_back_edits(uow, link)


async def take_back_edits(uow: Uow, link: Link) -> None:
    for each in await links.of(uow.session, link.id, EDIT):
        uow.outbox.redact(each.lane, each.event_id)
        await uow.session.delete(each)


def linked(uow: Uow, role: str, subject: int, **more: Any) -> Link:
    """A link for a message about to be queued."""
    return Link(role=role, subject=subject, created_at=uow.now, **more)


def remember(uow: Uow, role: str, subject: int, event_id: str, lane: str, **more: Any) -> Link:
    """Store what a person's own event is to a subject."""
    link = linked(uow, role, subject, event_id=event_id, lane=lane, **more)
    uow.session.add(link)
    return link
