"""Appointing experts and coordinators, and erasing or exporting what is known of a person."""

from dataclasses import dataclass

from bot.domain import content
from bot.domain.content import Piece
from bot.domain.errors import UserError
from bot.domain.roles import Role
from bot.services.instance import Instance
from bot.services.members import name, tr_for
from bot.services.questions import relaying, turns, withdrawing
from bot.services.questions.cards import refresh_acknowledgement
from bot.services.questions.common import desk_name
from bot.services.questions.suggesting import unsay
from bot.services.routing import loading
from bot.services.speech import say, take_back, take_back_edits
from config.locales import N_, Translator
from storage import answers, audit, erasure, links, members, outbox, questions, rooms
from storage.database import Uow
from storage.members import RoleRow
from storage.questions import Question


@dataclass(frozen=True, slots=True)
class Profile:
    """What is None stays as it is."""

    desk: str
    clusters: tuple[str, ...] | None = None
    languages: tuple[str, ...] | None = None
    topics: str | None = None


async def appoint(
    uow: Uow, instance: Instance, user_id: str, role: Role, profile: Profile, *, by: str
) -> None:
    """Give somebody a role at a desk, or change what is known of them there; they are told."""
    if user_id == instance.user_id:
        raise UserError("appoint-bot", N_("I can’t be that myself. Name a person."))
    rows = await members.roles_of(uow.session, user_id)
    row = next((each for each in rows if (each.role, each.desk) == (role, profile.desk)), None)
    is_new = row is None
    if row is None:
        row = RoleRow(user_id=user_id, role=role, desk=profile.desk, added_by=by, added_at=uow.now)
        row.clusters, row.languages, row.topics = [], [], ""
        uow.session.add(row)
    if profile.clusters is not None:
        row.clusters = list(profile.clusters)
    if profile.languages is not None:
        row.languages = list(profile.languages)
    row.topics = row.topics if profile.topics is None else profile.topics
    audit.note(uow.session, uow.now, by, f"{role}-add", person=user_id, desk=profile.desk)
    await members.get(uow.session, user_id, uow.now)
    await uow.session.flush()
    await loading.redeclared(uow, instance.router, user_id)
    if is_new:
        await _tell(uow, instance, user_id, role, profile.desk)
    await turns.expert_appointed(uow, instance, profile.desk)


async def _tell(uow: Uow, instance: Instance, user_id: str, role: Role, desk: str) -> None:
    tr = await tr_for(uow, instance, user_id)
    named = desk_name(instance, desk, tr.language)
    room = await rooms.find(uow.session, "desk", desk)
    where: Piece | str = named
    if room is not None:
        where = content.link(named, content.room_link(room.room_id, [instance.server]))
    if role is Role.EXPERT:
        first = tr("You are now an expert of the {desk}. Please join its room.", desk=where)
        second = tr(
            "When a question is for you, I call you there: just answer in its thread. "
            "{away} when you have no time.",
            away=content.code(f"{instance.prefix}{tr.plain('away')}"),
        )
    else:
        first = tr("You are now the coordinator of the {desk}. Please join its room.", desk=where)
        second = tr(
            "When nobody takes a question, I call you. {board} shows what is waiting.",
            board=content.code(f"{instance.prefix}{tr.plain('desk')} {desk}"),
        )
    say(uow, outbox.direct(user_id), content.lines(first, second), "welcome")


async def dismiss(
    uow: Uow, instance: Instance, user_id: str, role: Role, desk: str | None, *, by: str
) -> None:
    rows = [
        each
        for each in await members.roles_of(uow.session, user_id)
        if each.role == role and desk in (None, each.desk)
    ]
    if not rows:
        raise UserError(
            "not-appointed",
            N_("{person} has no such role. {command} shows who has one."),
            person=content.code(user_id),
            command=instance.typed("expert list"),
        )
    for row in rows:
        await uow.session.delete(row)
        await uow.session.flush()
        if role is Role.EXPERT:
            await turns.expert_gone(uow, instance, user_id, row.desk)
        audit.note(uow.session, uow.now, by, f"{role}-remove", person=user_id, desk=row.desk)
    await loading.redeclared(uow, instance.router, user_id)


async def listing(uow: Uow, instance: Instance, tr: Translator) -> Piece:
    blocks = []
    for desk in instance.network.desks:
        coordinators = await members.roles(uow.session, Role.COORDINATOR, desk.key)
        experts = await members.roles(uow.session, Role.EXPERT, desk.key)
        blocks.append(content.bold(desk_name(instance, desk.key, tr.language)))
        lines = [await _person(uow, each, tr) for each in (*coordinators, *experts)]
        blocks.append(content.bullets(lines) if lines else tr("Nobody yet."))
    return content.lines(*blocks)


async def _person(uow: Uow, row: RoleRow, tr: Translator) -> Piece:
    facts: list[Piece | str] = [await name(uow, row.user_id)]
    if row.role == Role.COORDINATOR:
        facts.append(tr("coordinator"))
    facts += [", ".join(each) for each in (row.clusters, row.languages) if each]
    if row.topics:
        facts.append(row.topics)
    return content.join(" · ", facts)


async def left(uow: Uow, instance: Instance, room_id: str, user_id: str) -> None:
    """Somebody left a room; with the space they leave the network."""
    await withdrawing.asker_left(uow, instance, room_id, user_id)
    room = await rooms.by_id(uow.session, room_id)
    if room is not None and room.kind == "space":
        await turns.expert_gone(uow, instance, user_id)


async def _without(uow: Uow, instance: Instance, question: Question) -> None:
    """Whoever was asked it is erased: nothing says who it was, and it goes on."""
    for link in await links.of(uow.session, question.id, "question.ack"):
        await take_back_edits(uow, link)
    await relaying.unanswered(uow, instance, question)
    await refresh_acknowledgement(uow, instance, question)


async def erase(uow: Uow, instance: Instance, user_id: str, *, by: str) -> int:
    """Forget a person: their copies in rooms are redacted, their rows deleted or emptied.

    Returns how many questions of theirs were erased. The audit keeps that it was done. Raises
    ``UserError`` when nothing is known of the address: it may be a slip.
    """
    if not await erasure.is_known(uow.session, user_id):
        raise UserError(
            "person-not-known",
            N_("I know nothing of {person}. Please check the address."),
            person=content.code(user_id),
        )
    asked = await questions.of_asker(uow.session, user_id, limit=100_000)
    for question in asked:
        await withdrawing.withdrawn(uow, instance, question)
    offered = await questions.offered_to(uow.session, user_id)
    for row in await members.roles_of(uow.session, user_id):
        await uow.session.delete(row)
    await uow.session.flush()
    await turns.expert_gone(uow, instance, user_id)
    for link in await erasure.messages_about(uow.session, user_id):
        await take_back(uow, link)
    for number in await answers.answered_by(uow.session, user_id):
        await unsay(uow, number)
    await uow.session.flush()
    await loading.forget(uow, instance.router, user_id, [each.id for each in asked])
    await erasure.forget(uow.session, user_id)
    for question in offered:
        await uow.session.refresh(question)
        await _without(uow, instance, question)
    audit.note(uow.session, uow.now, by, "erase", questions=len(asked))
    return len(asked)
