"""What admins see of the bot itself."""

from bot.domain import content
from bot.domain.content import Piece
from bot.services.instance import Instance
from bot.services.members import name
from config.locales import Translator
from storage import audit, inbox, outbox, questions, rooms
from storage.database import Uow

SHOWN = 15


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
        details = ", ".join(f"{key}: {value}" for key, value in (row.details or {}).items())
        when = tr.when(row.at, instance.zone)
        who = await name(uow, row.actor)
        lines.append(content.join(" · ", [when, who, content.code(row.act), details]))
    return content.bullets(lines)


async def request_provisioning(uow: Uow, by: str, lane: str, dry_run: bool) -> None:
    """Leave word for the provisioner, which alone talks to the homeserver about rooms."""
    await rooms.request(uow.session, by, lane, dry_run, uow.now)
    audit.note(uow.session, uow.now, by, "provision", dry_run=dry_run)
