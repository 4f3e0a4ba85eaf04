"""The clock's part in questions: turns that are over, silences that have lasted."""

from datetime import datetime
from functools import partial

import structlog

from bot.domain.questions import Status
from bot.services.encoding import Text, Unencoded
from bot.services.instance import Instance
from bot.services.questions import closing, turns
from bot.services.routing.router import understood
from storage import questions
from storage.database import Database

log = structlog.get_logger()

Due = tuple[int, str, datetime]
"""Number, status and due time."""


async def tick(database: Database, instance: Instance, now: datetime) -> None:
    """Each question in a transaction of its own: one that fails stops no other."""
    async with database.uow("questions", now) as uow:
        due = await questions.due(uow.session, now)
    missing: list[Text] = []
    again: list[Due] = []
    for each in due:
        try:
            await _over(database, instance, each, now)
        except Unencoded as unencoded:
            missing.append(unencoded.text)
            again.append(each)
        except Exception as error:
            _stuck(each, error)
    # All at once: a slow encoder is waited for a single time.
    if missing:
        await instance.router.encoding.vectors(missing)
    for each in again:
        try:
            await understood(instance.router, partial(_over, database, instance, each, now))
        except Exception as error:
            _stuck(each, error)


def _stuck(due: Due, error: Exception) -> None:
    log.error("question_stuck", question=due[0], exc_info=error)


async def _over(database: Database, instance: Instance, due: Due, now: datetime) -> None:
    number, status, due_at = due
    cause = f"question:{number}:{due_at.isoformat()}"
    async with database.uow(cause, now) as uow:
        if status == Status.ANSWERED:
            await closing.silent(uow, instance, number)
        else:
            await turns.due(uow, instance, number)
        await uow.commit()
