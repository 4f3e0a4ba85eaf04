"""Who could answer: the facts that routing ranks by, read from our tables."""

from collections.abc import Mapping, Sequence
from typing import Any

from bot.domain import content
from bot.domain.content import Piece
from bot.domain.roles import Role
from bot.domain.routing import lean as routing
from bot.domain.routing.lean import Candidate, QuestionFacts, Ranked, Topic, Why
from bot.services.instance import Instance
from bot.services.members import is_away, name
from config.locales import Translator
from config.network import Cluster, Desk
from storage import members, questions
from storage.database import Uow
from storage.members import RoleRow
from storage.questions import Question


def desks(instance: Instance) -> list[Topic]:
    return [_topic(each) for each in instance.network.desks]


def clusters(instance: Instance) -> list[Topic]:
    return [_topic(each) for each in instance.network.clusters]


def _topic(described: Desk | Cluster) -> Topic:
    listed = [word for several in described.words.values() for word in several]
    return Topic(described.key, frozenset([*described.name.values(), *listed]))


async def rank(
    uow: Uow, instance: Instance, question: Question, already_asked: Sequence[str]
) -> list[Ranked]:
    """The experts of the question's desk who may be asked now, best first."""
    rows = await members.roles(uow.session, Role.EXPERT, question.desk)
    load = await questions.open_load(uow.session)
    last = await questions.last_offers(uow.session)
    candidates = [
        Candidate(
            user_id=row.user_id,
            desks=frozenset({row.desk}),
            clusters=frozenset(row.clusters),
            languages=await _languages(uow, row),
            topics=frozenset(filter(None, map(str.strip, row.topics.split(",")))),
            is_away=is_away(await members.find(uow.session, row.user_id), uow.now),
            open_load=load.get(row.user_id, 0),
            last_offer_at=last.get(row.user_id),
        )
        for row in rows
    ]
    facts = QuestionFacts(
        question.id,
        question.asker,
        question.desk,
        question.cluster,
        question.language,
        question.text,
    )
    return routing.rank(facts, candidates, uow.now, already_asked)


async def _languages(uow: Uow, row: RoleRow) -> frozenset[str]:
    """Those they declared, else the one they write in."""
    if row.languages:
        return frozenset(row.languages)
    member = await members.find(uow.session, row.user_id)
    known = (member.language or member.guessed_language) if member else None
    return frozenset({known}) if known else frozenset()


def reasons_of(ranked: Ranked) -> list[dict[str, Any]]:
    return [{"reason": each.why.value, "value": each.value} for each in ranked.reasons]


async def reason_texts(
    uow: Uow, instance: Instance, reasons: Sequence[Mapping[str, Any]], tr: Translator
) -> list[Piece]:
    return [await _reason_text(uow, instance, each, tr) for each in reasons]


async def _reason_text(
    uow: Uow, instance: Instance, reason: Mapping[str, Any], tr: Translator
) -> Piece:
    value = str(reason.get("value", ""))
    match reason.get("reason"):
        case Why.CLUSTER:
            cluster = instance.network.cluster(value)
            named = instance.network.text(cluster.name, tr.language) if cluster else value
            return tr("knows the cluster {cluster}", cluster=named)
        case Why.LANGUAGE:
            return tr("answers in {language}", language=value.upper())
        case Why.TOPICS:
            return tr("knows about: {topics}", topics=value)
        case Why.LOAD:
            return tr.plural("has {n} question already", "has {n} questions already", int(value))
        case Why.RESTED:
            return tr("was not asked lately")
        case "assigned":
            return tr("named by {coordinator}", coordinator=await name(uow, value))
    return content.text(value)
