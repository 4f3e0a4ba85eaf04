"""What the bot believes about an expert, shown to them alone, and corrected in one command."""

from collections.abc import Sequence
from dataclasses import dataclass

from bot.domain import content
from bot.domain.content import Piece
from bot.domain.hours import WorkingHours
from bot.domain.questions import Because
from bot.domain.roles import Role
from bot.services.holidays import place_name
from bot.services.instance import Instance
from bot.services.members import is_away
from bot.services.questions.common import calendar, desk_name, short
from bot.services.questions.experts import WEEK, own_hours
from bot.services.questions.views import numbered
from bot.services.routing.loading import redeclared
from config.locales import Translator
from storage import members, profiles, questions
from storage.database import Uow
from storage.members import RoleRow
from storage.profiles import Profile

REFUSALS_SHOWN = 3


@dataclass(frozen=True, slots=True)
class Correction:
    """What is None stays as it is. ``hours`` is a start and an end, like 09:00 and 17:00."""

    topics: str | None = None
    about: str | None = None
    languages: tuple[str, ...] | None = None
    clusters: tuple[str, ...] | None = None
    days: tuple[int, ...] | None = None
    hours: tuple[str, str] | None = None
    country: str | None = None
    ceiling: int | None = None
    summary: bool | None = None

    @property
    def is_empty(self) -> bool:
        return self == Correction()


async def correct(uow: Uow, instance: Instance, expert: str, correction: Correction) -> None:
    """Topics, languages and clusters are those of each desk they serve; the rest is theirs."""
    for row in await _roles(uow, expert):
        row.topics = row.topics if correction.topics is None else correction.topics
        if correction.languages is not None:
            row.languages = list(correction.languages)
        if correction.clusters is not None:
            row.clusters = list(correction.clusters)
    profile = await profiles.get(uow.session, expert)
    if correction.about is not None:
        profile.about = correction.about
    if correction.days is not None:
        profile.days = list(correction.days)
    if correction.hours is not None:
        profile.starts, profile.ends = correction.hours
    if correction.country is not None:
        profile.country = correction.country
    if correction.ceiling is not None:
        profile.ceiling = correction.ceiling
    if correction.summary is not None:
        profile.wants_summary = correction.summary
    await redeclared(uow, instance.router, expert)


async def reset(uow: Uow, expert: str) -> None:
    """Hours, holidays and ceiling are the desk's again."""
    profile = await profiles.get(uow.session, expert)
    profile.days = profile.starts = profile.ends = profile.country = profile.ceiling = None


async def _roles(uow: Uow, expert: str) -> list[RoleRow]:
    rows = await members.roles_of(uow.session, expert)
    return [row for row in rows if row.role == Role.EXPERT]


async def shown(uow: Uow, instance: Instance, expert: str, tr: Translator) -> Piece:
    rows = await _roles(uow, expert)
    profile = await profiles.get(uow.session, expert)
    facts = [await _desk(instance, row, tr) for row in rows]
    if profile.about:
        facts.append(tr("About you: {about}", about=profile.about))
    if rows:
        facts.append(_hours(instance, rows[0].desk, profile, tr))
    facts.append(await _asks(uow, instance, expert, profile, tr))
    if (rest := await _rest(uow, instance, expert, profile, tr)) is not None:
        facts.append(rest)
    facts += await _refused(uow, instance, expert, tr)
    example = instance.typed(f'{tr.plain("expert me")} --topics "…" --lang fr,nl --hours 9h-17h')
    return content.lines(
        content.bold(tr("What I believe about you")),
        content.bullets(facts),
        tr("To correct it: {command}", command=example),
        tr(
            "All there is to change: {command}",
            command=instance.typed(f"{tr.plain('help')} {tr.plain('expert me')}"),
        ),
    )


async def _desk(instance: Instance, row: RoleRow, tr: Translator) -> Piece:
    facts: list[Piece | str] = [content.bold(desk_name(instance, row.desk, tr.language))]
    clusters = (instance.network.cluster(each) for each in row.clusters)
    facts += [instance.network.text(each.name, tr.language) for each in clusters if each]
    facts += [tr.language_name(each) for each in row.languages]
    facts.append(row.topics or tr("no topics yet"))
    return content.join(" · ", facts)


def _hours(instance: Instance, desk: str, profile: Profile, tr: Translator) -> Piece:
    open_hours = calendar(instance, desk).hours
    hours = own_hours(profile, calendar(instance, desk))
    days = ", ".join(tr.weekday(each) for each in sorted(hours.days))
    told = tr(
        "You are asked {days}, from {start} to {end}",
        days=days,
        start=f"{hours.start:%H:%M}",
        end=f"{hours.end:%H:%M}",
    )
    if profile.country is not None:
        named = place_name(profile.country, (tr.language,))
        holidays = tr("not on the holidays of {country}", country=named)
        told = content.join(", ", [told, holidays])
    if _overlap(hours, open_hours):
        return told
    only = tr(
        "the desk is open from {start} to {end}: in your hours you are asked only when "
        "somebody names you",
        start=f"{open_hours.start:%H:%M}",
        end=f"{open_hours.end:%H:%M}",
    )
    return content.join(" · ", [told, only])


def _overlap(some: WorkingHours, others: WorkingHours) -> bool:
    same_day = bool(some.days & others.days)
    return same_day and max(some.start, others.start) < min(some.end, others.end)


async def _asks(
    uow: Uow, instance: Instance, expert: str, profile: Profile, tr: Translator
) -> Piece:
    asked = await questions.asked_between(uow.session, expert, uow.now - WEEK, uow.now)
    ceiling = profile.ceiling or instance.network.questions.weekly_ceiling
    return tr(
        "Asked in the last seven days: {n}, at most {ceiling}",
        n=asked,
        ceiling=ceiling,
    )


async def _rest(
    uow: Uow, instance: Instance, expert: str, profile: Profile, tr: Translator
) -> Piece | None:
    """That they are away, or said they had no time."""
    member = await members.find(uow.session, expert)
    back = instance.typed(tr.plain("back"))
    if member is not None and is_away(member, uow.now):
        if member.away_until is None:
            return tr("You are away. {command} when you are back.", command=back)
        day = tr.date(member.away_until, instance.zone)
        return tr(
            "You are away until {day}. {command} if you are back before.", day=day, command=back
        )
    if profile.busy_until is not None and profile.busy_until > uow.now:
        until = tr.when(profile.busy_until, instance.zone, uow.now)
        return tr("You had no time: I ask you again from {when}.", when=until)
    return None


async def _refused(uow: Uow, instance: Instance, expert: str, tr: Translator) -> Sequence[Piece]:
    """What they said is not their field, which counts against similar questions."""
    found = await questions.passed_because(uow.session, expert, Because.FIELD)
    told = []
    for question in found[:REFUSALS_SHOWN]:
        number = await numbered(uow, instance, question, expert)
        hidden = question.private or not question.text
        told.append(
            number if hidden else content.join(" ", [number, tr.quoted(short(question.text))])
        )
    return [tr("Not your field: {questions}", questions=content.join(" · ", told))] if told else []
