"""Who must not be asked, whatever they know. Decided before anybody is ranked.

Each reason is a fact at one instant: it is looked at anew for every wave.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from bot.domain.availability import Own, is_available
from bot.domain.hours import Calendar

NOTHING_SAID = Own()


class Bar(StrEnum):
    """Why somebody may not be asked a question now."""

    ASKER = "asker"
    ASKED = "asked"
    PRIVATE = "private"
    UNAVAILABLE = "unavailable"


@dataclass(frozen=True, slots=True)
class Presence:
    """``own`` is what somebody said of when they may be asked, ``asked`` the moments they were, at
    least those of the last week."""

    user_id: str
    own: Own = NOTHING_SAID
    asked: tuple[datetime, ...] = ()


def bar(
    person: Presence,
    desk: Calendar,
    asker: str,
    already_asked: Collection[str],
    now: datetime,
    allowed: Collection[str] | None = None,
) -> Bar | None:
    """What keeps the person from being asked at a desk with these hours. ``allowed`` is None when
    everybody may read the question, else who may: those whom its asker or the coordinator named."""
    if person.user_id == asker:
        return Bar.ASKER
    if person.user_id in already_asked:
        return Bar.ASKED
    if allowed is not None and person.user_id not in allowed:
        return Bar.PRIVATE
    if not is_available(person.own, desk, person.asked, now):
        return Bar.UNAVAILABLE
    return None
