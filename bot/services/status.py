"""What admins see of the bot itself."""

from datetime import datetime
from typing import Any

from bot.domain import content
from bot.domain.content import Piece
from bot.services.instance import Instance
from bot.services.members import name
from bot.services.questions.common import desk_name, label
from config.locales import N_, Translator
from storage import audit, inbox, outbox, questions, rooms
from storage.database import Uow
from storage.erasure import ERASED

SHOWN = 15
ACTS = {
    "announce": N_("told some news"),
    "assign": N_("entrusted a question to somebody"),
    "coordinator-add": N_("appointed a coordinator"),
    "coordinator-remove": N_("dismissed a coordinator"),
    "erase": N_("erased a person"),
    "event-announce": N_("announced an event"),
    "event-cancel": N_("cancelled an event"),
    "event-move": N_("moved an event"),
    "expert-add": N_("appointed an expert"),
    "expert-remove": N_("dismissed an expert"),
    "merge": N_("merged two questions"),
    "provision": N_("had the rooms put in order"),
    "route": N_("sent a question to another desk"),
}
"""What is noted in the audit, in the words of whoever reads it."""
DETAILS = {
    "desk": N_("desk"),
    "dry_run": N_("only shown"),
    "event": N_("event"),
    "expert": N_("expert"),
    "into": N_("merged into"),
    "person": N_("person"),
    "question": N_("question"),
    "questions": N_("questions"),
    "room": N_("room"),
    "to": N_("new time"),
}


async def summary(uow: Uow, instance: Instance, tr: Translator) -> Piece:
    managed = await rooms.managed(uow.session)
    ready = [each for each in managed if each.ready_at is not None]
    open_questions = await questions.open_in(uow.session)
    waiting, oldest = await outbox.depth(uow.session)
    buried = len(await inbox.dead(uow.session)) + await outbox.dead_count(uow.session)
    age = tr.duration(uow.now - oldest) if oldest else None
    return content.lines(
        tr("Rooms: {ready} of {all} ready", ready=len(ready), all=len(managed)),
        tr("Open questions: {n}", n=len(open_questions)),
        tr("Messages to send: {n}, the oldest for {age}", n=waiting, age=age)
        if age
        else tr("Messages to send: none"),
        tr("Kept because they could not be handled or sent: {n}", n=buried),
    )


async def audit_trail(uow: Uow, instance: Instance, tr: Translator) -> Piece:
    rows = await audit.latest(uow.session, SHOWN)
    if not rows:
        return tr("Nothing yet.")
    lines = []
    for row in rows:
        act = tr(ACTS[row.act]) if row.act in ACTS else content.code(row.act)
        parts: list[Piece | str] = [
            tr.when(row.at, instance.zone, uow.now),
            await name(uow, row.actor),
            act,
        ]
        if details := [_detail(instance, *each, tr) for each in (row.details or {}).items()]:
            parts.append(content.join(", ", details))
        lines.append(content.join(" · ", parts))
    return content.bullets(lines)


def _detail(instance: Instance, key: str, value: Any, tr: Translator) -> Piece:
    shown = str(value)
    if isinstance(value, bool):
        shown = tr.plain("yes") if value else tr.plain("no")
    elif value == ERASED:
        shown = tr.plain("an erased person")
    elif key in ("question", "into"):
        shown = label(value)
    elif key == "desk":
        shown = desk_name(instance, value, tr.language)
    elif key == "to":
        local = datetime.fromisoformat(value).replace(tzinfo=instance.zone)
        shown = tr.when(local, instance.zone)
    return content.join(": ", [tr(DETAILS[key]) if key in DETAILS else key, shown])


async def request_provisioning(uow: Uow, by: str, lane: str, dry_run: bool) -> None:
    """Leave word for the provisioner, which alone talks to the homeserver about rooms."""
    await rooms.request(uow.session, by, lane, dry_run, uow.now)
    audit.note(uow.session, uow.now, by, "provision", dry_run=dry_run)
