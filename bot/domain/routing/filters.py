"""Who must not be asked, whatever they know. Decided before anybody is ranked.

Each reason is a fact at one instant: it is looked at anew for every wave.
"""

from collections.abc import Collection
from dataclasses import dataclass
from enum import StrEnum


class Bar(StrEnum):
    """Why somebody may not be asked a question now."""

    ASKER = "asker"
    ASKED = "asked"
    AWAY = "away"
    OFF = "off"
    """Out of their working hours, or on holiday."""
    BUSY = "busy"
    """Passed for lack of time, not long ago."""
    CEILING = "ceiling"
    PRIVATE = "private"


@dataclass(frozen=True, slots=True)
class Presence:
    """``is_at_work`` by their own hours and holidays; ``asks_this_week`` counts seven days;
    ``ceiling`` is how many a week they may be asked, None for any number."""

    user_id: str
    is_away: bool = False
    is_at_work: bool = True
    is_busy: bool = False
    asks_this_week: int = 0
    ceiling: int | None = None


def bar(
    person: Presence,
    asker: str,
    already_asked: Collection[str],
    allowed: Collection[str] | None = None,
) -> Bar | None:
    """What keeps the person from being asked. ``allowed`` is None when everybody may read the
    question, else who may: those whom the asker or the coordinator named."""
    if person.user_id == asker:
        return Bar.ASKER
    if person.user_id in already_asked:
        return Bar.ASKED
    if allowed is not None and person.user_id not in allowed:
        return Bar.PRIVATE
    if person.is_away:
        return Bar.AWAY
    if not person.is_at_work:
        return Bar.OFF
    if person.is_busy:
        return Bar.BUSY
    if person.ceiling is not None and person.asks_this_week >= person.ceiling:
        return Bar.CEILING
    return None
