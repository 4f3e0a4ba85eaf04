"""The clock's part in questions: turns that are over, silences that have lasted."""

from datetime import datetime
from functools import partial

import structlog

from bot.domain.questions import Status
from bot.services.instance import Instance
from bot.services.questions import closing, turns
from bot.services.routing.router import understood
from storage import questions
from storage.database import Database

log = structlog.get_logger()


async def tick(database: Database, instance: Instance, now: datetime) -> None:
    """Each question in a transaction of its own: one that fails stops no other."""
    async with database.uow("questions", now) as uow:
        due = await questions.due(uow.session, now)
    for number, status, due_at in due:
        cause = f"question:{number}:{due_at.isoformat()}"
        work = partial(_over, database, instance, number, status, cause, now)
        try:
            await understood(instance.router, work)
        except Exception as error:
            log.error("question_stuck", question=number, exc_info=error)


async def _over(
    database: Database, instance: Instance, number: int, status: str, cause: str, now: datetime
) -> None:
    async with database.uow(cause, now) as uow:
        if status == Status.ANSWERED:
            await closing.silent(uow, instance, number)
        else:
            await turns.due(uow, instance, number)
        await uow.commit()
