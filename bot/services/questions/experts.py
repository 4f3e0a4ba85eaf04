"""Who could answer: the facts that routing filters and ranks by, and its reasons in words."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, time, timedelta
from typing import Any

from bot.domain import content
from bot.domain.availability import Own, next_available
from bot.domain.content import Piece
from bot.domain.hours import Calendar, Holidays, WorkingHours
from bot.domain.roles import Role
from bot.domain.routing.filters import Bar, Presence, bar
from bot.domain.routing.ranking import Candidate, QuestionFacts, Ranked, Why, pick, rank
from bot.services.holidays import public_holidays
from bot.services.instance import Instance
from bot.services.members import is_away, is_here, name
from bot.services.questions.common import calendar
from bot.services.routing.loading import stored_meaning
from bot.services.routing.router import text_of
from config.locales import Translator
from storage import members, profiles, questions, rooms
from storage.database import Uow
from storage.members import RoleRow
from storage.profiles import Profile
from storage.questions import Question

WEEK = timedelta(days=7)
EVER = WorkingHours(frozenset(range(1, 8)), time.min, time.max)
"""Where a network has no quiet hours."""
NEVER: tuple[int, datetime | None] = (0, None)
"""Asked how often, and when the last time."""
RECENT = 20
"""The desk's newest questions, among which an expert's share is looked at."""
AGAINST = frozenset({Why.OTHER_LANGUAGE, Why.LOAD, Why.OFTEN_ASKED, Why.NOT_MY_FIELD})


@dataclass(frozen=True, slots=True)
class Pool:
    """The experts of a desk for one question: who may be asked, best first, and what keeps the
    others from it."""

    ranked: Sequence[Ranked]
    candidates: Sequence[Candidate]
    barred: Mapping[str, Bar]

    def wave(self, size: int, number: int) -> list[Ranked]:
        return pick(self.ranked, self.candidates, size, number)


async def pool(
    uow: Uow,
    instance: Instance,
    question: Question,
    already_asked: Collection[str],
    *,
    may_read_all: bool = False,
) -> Pool:
    """A private question is for those whom its asker or the coordinator names: nobody is free,
    unless ``may_read_all``, to propose them to the asker."""
    rows = await members.roles(uow.session, Role.EXPERT, question.desk)
    joined = await questions.merged_into(uow.session, question.id)
    not_again = {*already_asked, *(each.asker for each in joined)}
    allowed = () if question.private and not may_read_all else None
    asked = await questions.asked_since(uow.session, uow.now - WEEK)
    # Who is proposed to be named need not be there at this moment.
    quiet = instance.network.questions.quiet_hours and not may_read_all
    desk = calendar(instance, question.desk) if quiet else Calendar(EVER, instance.zone)
    barred: dict[str, Bar] = {}
    space = await rooms.find(uow.session, "space", "space")
    for row in rows:
        if space is not None and not await members.is_in(uow.session, space.room_id, row.user_id):
            barred[row.user_id] = Bar.UNAVAILABLE
            continue
        present = Presence(
            row.user_id,
            await own(uow, instance, row.user_id, desk if quiet else None),
            tuple(asked.get(row.user_id, ())),
        )
        found = bar(present, desk, question.asker, not_again, uow.now, allowed)
        if found is not None:
            barred[row.user_id] = found
    free = [row for row in rows if row.user_id not in barred]
    candidates = await _candidates(uow, instance, question, free) if free else []
    facts = QuestionFacts(
        question.id, question.asker, question.desk, question.cluster, question.language
    )
    ranked = rank(facts, candidates, uow.now, instance.router.weights)
    return Pool(ranked, candidates, barred)


async def free_from(
    uow: Uow, instance: Instance, question: Question, user_id: str, since: datetime | None = None
) -> datetime | None:
    """The first moment, from now or ``since`` on, at which somebody who was named may be asked: in
    their own hours or, as far as they have none, the desk's; however often they were asked. None
    while they are away, or not in the network."""
    if is_away(await members.find(uow.session, user_id), uow.now):
        return None
    if not await is_here(uow, user_id):
        return None
    since = since or uow.now
    if not instance.network.questions.quiet_hours:
        return since
    desk = calendar(instance, question.desk)
    said = replace(await own(uow, instance, user_id, desk), ceiling=None)
    return next_available(said, desk, (), since)


async def hours_of(uow: Uow, instance: Instance, question: Question, user_id: str) -> Calendar:
    """Their own hours and holidays, and those of the question's desk as far as they have none."""
    desk = calendar(instance, question.desk)
    return (await own(uow, instance, user_id, desk)).calendar(desk)


async def own(uow: Uow, instance: Instance, user_id: str, desk: Calendar | None) -> Own:
    """What an expert said of when they may be asked; without their hours when ``desk`` is None."""
    profile = await profiles.find(uow.session, user_id)
    member = await members.find(uow.session, user_id)
    knobs = instance.network.questions
    away, until = is_away(member, uow.now), member.away_until if member else None
    if profile and profile.busy_until and profile.busy_until > uow.now and not away:
        away, until = True, profile.busy_until
    return Own(
        hours=own_hours(profile, desk) if desk else None,
        holidays=own_holidays(profile) if desk else None,
        ceiling=(profile.ceiling if profile else None) or knobs.weekly_ceiling,
        is_away=away,
        away_until=until,
    )


def own_hours(profile: Profile | None, desk: Calendar) -> WorkingHours:
    """The desk's, but for what somebody said about themselves."""
    if profile is None:
        return desk.hours
    return WorkingHours(
        frozenset(profile.days) if profile.days else desk.hours.days,
        time.fromisoformat(profile.starts) if profile.starts else desk.hours.start,
        time.fromisoformat(profile.ends) if profile.ends else desk.hours.end,
    )


def own_holidays(profile: Profile | None) -> Holidays | None:
    return public_holidays(profile.country) if profile and profile.country else None


async def _candidates(
    uow: Uow,
    instance: Instance,
    question: Question,
    rows: Sequence[RoleRow],
) -> list[Candidate]:
    memory = instance.router.memory
    text = text_of(question.text, question.language)
    meant = await stored_meaning(uow, instance.router, question.id, text)
    of_answers = memory.answers.likeness(text.words, text.language, meant)
    of_questions = memory.questions.likeness(text.words, text.language, meant)
    fits = memory.fits(text, meant)
    load = await questions.open_load(uow.session)
    ever = await questions.asked_ever(uow.session, [row.user_id for row in rows])
    recent = await questions.asked_among_last(uow.session, question.desk, RECENT)
    return [
        Candidate(
            user_id=row.user_id,
            votes=memory.votes(row.user_id, of_answers, uow.now, question.id),
            profile=fits.get(row.user_id, 0.0),
            clusters=frozenset(row.clusters),
            languages=await _languages(uow, row),
            open_load=load.get(row.user_id, 0),
            recent_asks=recent.get(row.user_id, 0),
            asks=ever.get(row.user_id, NEVER)[0],
            not_my_field=memory.not_their_field(row.user_id, of_questions),
            last_offer_at=ever.get(row.user_id, NEVER)[1],
        )
        for row in rows
    ]


async def _languages(uow: Uow, row: RoleRow) -> frozenset[str]:
    """Those they declared, else the one they write in."""
    if row.languages:
        return frozenset(row.languages)
    member = await members.find(uow.session, row.user_id)
    known = (member.language or member.guessed_language) if member else None
    return frozenset({known}) if known else frozenset()


def reasons_of(ranked: Ranked) -> list[dict[str, Any]]:
    return [{"reason": each.why.value, "value": each.value} for each in ranked.reasons]


def spoken_for(reasons: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """What speaks for somebody: why they are asked, when they are."""
    return [each for each in reasons if each.get("reason") not in AGAINST]


async def reason_texts(
    uow: Uow, instance: Instance, reasons: Sequence[Mapping[str, Any]], tr: Translator
) -> list[Piece]:
    return [await _reason_text(uow, instance, each, tr) for each in reasons]


async def _reason_text(
    uow: Uow, instance: Instance, reason: Mapping[str, Any], tr: Translator
) -> Piece:
    value = str(reason.get("value", ""))
    match reason.get("reason"):
        case Why.ANSWERED:
            return tr.plural(
                "answered {n} similar question", "answered {n} similar questions", int(value)
            )
        case Why.LAST_ANSWER:
            days = timedelta(days=int(value))
            return (
                tr("most recently {ago}", ago=tr.ago(days)) if days else tr("most recently today")
            )
        case Why.ACTIVE:
            return tr.plural(
                "gave {n} answer in the last 30 days",
                "gave {n} answers in the last 30 days",
                int(value),
            )
        case Why.PROFILE:
            return tr("has a profile that fits")
        case Why.CLUSTER:
            cluster = instance.network.cluster(value)
            named = instance.network.text(cluster.name, tr.language) if cluster else value
            return tr("knows the cluster {cluster}", cluster=named)
        case Why.LANGUAGE:
            return tr("answers in {language}", language=tr.language_name(value))
        case Why.OTHER_LANGUAGE:
            return tr("does not answer in {language}", language=tr.language_name(value))
        case Why.LOAD:
            return tr.plural("has {n} question already", "has {n} questions already", int(value))
        case Why.OFTEN_ASKED:
            return tr("was asked often lately")
        case Why.RESTED:
            return tr("was not asked lately")
        case Why.NEWCOMER:
            return tr("is new here")
        case Why.EXPLORED:
            return tr("deserves a chance as well")
        case "referred":
            return tr("was recommended by a colleague")
        case Why.NOT_MY_FIELD:
            return tr("passed on something similar")
        case "assigned":
            return tr("named by {coordinator}", coordinator=await name(uow, value))
        case "named":
            return tr("named by the asker")
    return content.text(value)
