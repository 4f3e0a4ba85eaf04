"""Members: how to address them, what they may do, and their arrival."""

from datetime import datetime

from bot.domain import content
from bot.domain.content import Piece
from bot.domain.incoming import Encrypted, MembershipChange, Message
from bot.domain.language import locale_from
from bot.domain.roles import Role
from bot.services.instance import Instance
from bot.services.language import detect
from bot.services.speech import say
from config.locales import Translator
from storage import members, outbox, rooms
from storage.database import Uow
from storage.members import Member
from storage.rooms import DIRECT, Room

SPACE = "space"


async def language_of(uow: Uow, instance: Instance, user_id: str) -> str:
    """What they chose, else what their first messages were in, else what they were appointed with
    as an expert, else the network's first."""
    member = await members.find(uow.session, user_id)
    for language in (member.language, member.guessed_language) if member else ():
        if language in instance.network.languages and language is not None:
            return language
    declared = (
        each for row in await members.roles_of(uow.session, user_id) for each in row.languages
    )
    known = (each for each in declared if each in instance.network.languages)
    return next(known, instance.first_language)


async def tr_for(uow: Uow, instance: Instance, user_id: str) -> Translator:
    return instance.tr(await language_of(uow, instance, user_id))


async def pill(uow: Uow, user_id: str) -> Piece:
    """Their name, with a mention that rings."""
    return content.pill(user_id, await members.display_name(uow.session, user_id))


async def name(uow: Uow, user_id: str) -> Piece:
    """Their name, without a mention."""
    return content.name(user_id, await members.display_name(uow.session, user_id))


async def roles_of(uow: Uow, instance: Instance, user_id: str) -> frozenset[Role]:
    """Asked of the configuration and our own table, at the moment of the act."""
    held = {Role.MEMBER} | {Role(row.role) for row in await members.roles_of(uow.session, user_id)}
    if user_id in instance.admins:
        held.add(Role.ADMIN)
    return frozenset(held)


async def serves(uow: Uow, instance: Instance, user_id: str, desk: str) -> bool:
    """Whether they are an expert or the coordinator of this desk, or an admin."""
    rows = await members.roles_of(uow.session, user_id)
    has_role = any(row.desk == desk for row in rows)
    return user_id in instance.admins or (has_role and await is_here(uow, user_id))


async def coordinates(uow: Uow, instance: Instance, user_id: str, desk: str) -> bool:
    rows = await members.roles_of(uow.session, user_id)
    coordinator = any(row.desk == desk and row.role == Role.COORDINATOR for row in rows)
    return user_id in instance.admins or (coordinator and await is_here(uow, user_id))


async def is_here(uow: Uow, user_id: str) -> bool:
    """Whether somebody is in the network's space; while there is none, everybody is."""
    space = await rooms.find(uow.session, "space", "space")
    return space is None or await members.is_in(uow.session, space.room_id, user_id)


def is_away(member: Member | None, now: datetime) -> bool:
    if member is None or member.away_since is None:
        return False
    return member.away_until is None or now < member.away_until


async def heard(uow: Uow, message: Message) -> None:
    """Note that somebody spoke."""
    member = await members.get(uow.session, message.sender, uow.now)
    member.last_spoke_at = message.at


async def read(uow: Uow, instance: Instance, user_id: str, text: str) -> bool:
    """Learn from what somebody wrote in words of their own in which language they write; True when
    that has become known. Commands tell nothing: their options are English."""
    member = await members.get(uow.session, user_id, uow.now)
    if member.language is not None or member.guessed_language is not None:
        return False
    found = detect(text, instance.network.languages)
    if found.sure:
        member.guessed_language = found.language
    return found.sure


async def membership_changed(uow: Uow, instance: Instance, change: MembershipChange) -> None:
    """Keep who is where, and welcome those who come into the space."""
    if change.user_id == instance.user_id:
        return
    joined = change.membership == "join"
    if not joined:
        await members.left(uow.session, change.room_id, change.user_id)
        await _closed_direct_room(uow, change)
        return
    member = await members.get(uow.session, change.user_id, uow.now)
    member.display_name = change.display_name or member.display_name
    await members.joined(uow.session, change.room_id, change.user_id)
    room = await rooms.by_id(uow.session, change.room_id)
    if room is not None and room.kind == SPACE:
        await welcome(uow, instance, member)


async def _closed_direct_room(uow: Uow, change: MembershipChange) -> None:
    """Whoever leaves our direct room gets a new one when there is something to say again."""
    room = await rooms.by_id(uow.session, change.room_id)
    if room is not None and room.kind == DIRECT and room.key == change.user_id:
        await uow.session.delete(room)
        uow.outbox.leave(change.room_id)


async def welcome(uow: Uow, instance: Instance, member: Member) -> None:
    """Three lines in a direct message, once in a life."""
    if member.welcomed_at is not None or member.user_id in instance.admins:
        return
    member.welcomed_at = uow.now
    await uow.session.flush()
    tr = await tr_for(uow, instance, member.user_id)
    network = instance.network.name[tr.language]
    piece = content.lines(
        tr("👋 Welcome to {network}!", network=content.bold(network)),
        tr("To ask something, just write to me here: I’ll find an expert and bring the answer."),
        _language_line(instance, tr),
    )
    say(uow, outbox.direct(member.user_id), piece, "welcome")


def _language_line(instance: Instance, tr: Translator) -> Piece:
    """How to change language, in the other languages: those who need it read those."""
    others = [each for each in instance.network.languages if each != tr.language]
    hints = [
        instance.tr(each)("In English: {command}", command=content.code(_switch(instance, each)))
        for each in others
    ]
    return content.join(" · ", hints)


def _switch(instance: Instance, language: str) -> str:
    return f"{instance.prefix}language {language}"


async def prefer(uow: Uow, user_id: str, language: str) -> None:
    member = await members.get(uow.session, user_id, uow.now)
    member.language = locale_from(language)


async def away(uow: Uow, user_id: str, until: datetime | None) -> None:
    """No more offers until then, or until they are back."""
    member = await members.get(uow.session, user_id, uow.now)
    member.away_since, member.away_until = uow.now, until


async def back(uow: Uow, user_id: str) -> None:
    member = await members.get(uow.session, user_id, uow.now)
    member.away_since = member.away_until = None


async def encrypted(uow: Uow, instance: Instance, room: Room | None, incoming: Encrypted) -> None:
    """A direct message we cannot read gets one plain hint in a life, and a room we can read."""
    if room is not None and room.kind != DIRECT:
        return
    if len(await members.members_of(uow.session, incoming.room_id)) > 2:
        return
    member = await members.get(uow.session, incoming.sender, uow.now)
    if member.hinted_at is not None:
        return
    member.hinted_at = uow.now
    if room is not None:
        await uow.session.delete(room)
        await uow.session.flush()
    tr = await tr_for(uow, instance, incoming.sender)
    hint = tr("🔒 I can’t read encrypted messages. Please write to me in our other conversation.")
    say(uow, incoming.room_id, hint, "reply")
    here = tr("Here I can read you: just write your question.")
    say(uow, outbox.direct(incoming.sender), here, "reply")
