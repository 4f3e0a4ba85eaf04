"""The nightly fit of a ranker to the network's own history, and what it was judged by.

The history of each desk is walked as it happened: a question sees only what came before it. The
learned weights are used only where they beat the formula on that walk; otherwise nothing changes.
"""

import asyncio
from collections.abc import Sequence
from datetime import datetime

import structlog
from sqlalchemy import select

from bot.domain.questions import Status
from bot.domain.roles import Role
from bot.domain.routing.learning import FEWEST, Sample, Verdict, fit, verdict
from bot.domain.routing.ranking import Candidate, QuestionFacts
from bot.services.instance import Instance
from bot.services.routing.loading import ANSWER, QUESTION, joined, still
from bot.services.routing.replay import PastAnswer, PastQuestion, moments, replay, samples
from bot.services.routing.router import text_of
from storage import jobs, members, routing
from storage.answers import Answer
from storage.database import Database, Uow
from storage.questions import Question
from storage.routing import RankerRow

log = structlog.get_logger()

HOUR = 3
"""Local time from which on the night's fit may run."""
LATEST = 2_000
"""Questions of a desk that are learned from; what is older says little about whom to ask today."""
LEAST_ANSWERS = 1


async def tick(database: Database, instance: Instance, now: datetime) -> None:
    """Once a night, in a thread: the event loop goes on."""
    local = now.astimezone(instance.zone)
    if local.hour < HOUR:
        return
    night = local.date().isoformat()
    async with database.uow(f"training:{night}", now) as uow:
        if not await jobs.claim(uow.session, "training", night, now):
            return
        desks = await _histories(uow, instance)
        await uow.commit()
    if sum(_is_answered(each) for history, _ in desks for each in history) < FEWEST:
        return
    row = await asyncio.to_thread(_trained, desks, now)
    async with database.uow(f"trained:{night}", now) as uow:
        uow.session.add(row)
        await uow.commit()
    instance.router.weights = row.weights if row.used else instance.router.formula
    log.info("ranker_trained", used=row.used, **row.figures)


History = tuple[list[PastQuestion], dict[str, Candidate]]
"""What was asked at a desk, and who its experts are."""


async def _histories(uow: Uow, instance: Instance) -> list[History]:
    name = instance.router.encoding.name or ""
    of_questions = await routing.vectors(uow.session, QUESTION, name)
    of_answers = await routing.vectors(uow.session, ANSWER, name)
    desks: list[History] = []
    for desk in instance.network.desks:
        rows = await _questions(uow, desk.key)
        given = await _answers(uow, [row.id for row in rows])
        history = []
        for row in rows:
            text = text_of(row.text, row.language)
            facts = QuestionFacts(row.id, row.asker, row.desk, row.cluster, row.language)
            answers = []
            for expert, theirs in given.get(row.id, {}).items():
                said = joined(row.text, theirs)
                vector = still(of_answers, str(theirs[0].id), said)
                at, helped = theirs[0].at, row.helped
                answers.append(PastAnswer(expert, at, said.words, vector, helped))
            vector = still(of_questions, str(row.id), text)
            history.append(PastQuestion(facts, row.text, row.created_at, vector, tuple(answers)))
        desks.append((history, await _experts(uow, desk.key)))
    return desks


async def _questions(uow: Uow, desk: str) -> list[Question]:
    """Oldest first; what is private or was taken back teaches nothing."""
    query = (
        select(Question)
        .where(
            Question.desk == desk,
            Question.private.is_(False),
            Question.status != Status.WITHDRAWN,
            Question.text != "",
        )
        .order_by(Question.id.desc())
        .limit(LATEST)
    )
    return list((await uow.session.scalars(query)).all())[::-1]


async def _answers(uow: Uow, numbers: Sequence[int]) -> dict[int, dict[str, list[Answer]]]:
    query = select(Answer).where(Answer.question_id.in_(numbers)).order_by(Answer.id)
    given: dict[int, dict[str, list[Answer]]] = {}
    for row in await uow.session.scalars(query):
        given.setdefault(row.question_id, {}).setdefault(row.expert, []).append(row)
    return given


async def _experts(uow: Uow, desk: str) -> dict[str, Candidate]:
    return {
        row.user_id: Candidate(
            row.user_id,
            clusters=frozenset(row.clusters),
            languages=frozenset(row.languages),
        )
        for row in await members.roles(uow.session, Role.EXPERT, desk)
    }


def _is_answered(question: PastQuestion) -> bool:
    return bool(question.answers)


def _trained(desks: Sequence[History], now: datetime) -> RankerRow:
    """Desks are walked one by one and learned from together, in the order of time."""
    met: list[tuple[datetime, Sample]] = []
    for history, experts in desks:
        walked = list(moments(history, experts, tested=1.0, least_answers=LEAST_ANSWERS))
        outcomes = replay(walked)
        times = [each.moment.question.at for each in outcomes]
        met += zip(times, samples(outcomes), strict=True)
    found = [each for _, each in sorted(met, key=lambda pair: pair[0])]
    judged = verdict(found)
    weights = dict(fit(found))
    return RankerRow(fitted_at=now, weights=weights, figures=figures(judged), used=judged.use)


def figures(judged: Verdict) -> dict[str, float | int]:
    return {
        "answered": judged.answered,
        "compared": judged.compared,
        "formula_mrr": round(judged.formula_mrr, 3),
        "formula_hit": round(judged.formula_hit, 3),
        "learned_mrr": round(judged.learned_mrr, 3),
        "learned_hit": round(judged.learned_hit, 3),
    }
