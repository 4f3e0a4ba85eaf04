"""Correcting what was understood of a question: its language, its cluster, its desk."""

from bot.domain.errors import UserError
from bot.services.instance import Instance
from bot.services.members import serves
from bot.services.questions import turns
from bot.services.questions.cards import refresh_cards
from bot.services.questions.common import label
from bot.services.routing.loading import keep_meaning
from config.locales import N_
from storage import audit
from storage.database import Uow
from storage.questions import Question


async def correct(
    uow: Uow,
    instance: Instance,
    question: Question,
    by: str,
    *,
    language: str | None = None,
    cluster: str | None = None,
    desk: str | None = None,
) -> None:
    """By who asked, or by the people of its desk. What is None stays as it is."""
    await _check(uow, instance, question, by)
    turns.check_open(instance, question)
    if language is None and cluster is None and desk is None:
        raise UserError(
            "correct-nothing",
            N_("What is wrong? Write {lang}, {cluster} or {desk} and what is right."),
            lang="--lang",
            cluster="--cluster",
            desk="--desk",
        )
    if desk == question.desk and language is None and cluster is None:
        raise turns.same_desk(question)
    if language is not None:
        question.language = language
        await keep_meaning(uow, instance.router, question)
    question.cluster = cluster or question.cluster
    if desk is not None and desk != question.desk:
        whose = "asker" if by == question.asker else "coordinator"
        if whose == "coordinator":
            await turns.check_coordinates(uow, instance, question, by)
        audit.note(uow.session, uow.now, by, "route", question=question.id, desk=desk)
        await turns.send_to(uow, instance, question, desk, by=whose)
    else:
        await refresh_cards(uow, instance, question)


async def _check(uow: Uow, instance: Instance, question: Question, by: str) -> None:
    if by != question.asker and not await serves(uow, instance, by, question.desk):
        raise UserError(
            "correct-stranger",
            N_("Only who asked {number}, or the people of its desk, can correct it."),
            number=label(question.id),
        )
