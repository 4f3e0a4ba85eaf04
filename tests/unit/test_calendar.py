from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest

from bot.domain.calendar import (
    Answer,
    Event,
    NonexistentTime,
    Reminder,
    Said,
    Status,
    Tally,
    answer_of,
    callings,
    count_at,
    due_reminders,
    starts_at,
    tally,
)

BRUSSELS = ZoneInfo("Europe/Brussels")
BOT, ANNA, BART, CHLOE = "@bot:x", "@anna:x", "@bart:x", "@chloe:x"
DAY, HOUR = timedelta(days=1), timedelta(hours=1)
OFFSETS = (DAY, HOUR)
START = datetime(2026, 12, 3, 13, tzinfo=UTC)
EVENT = Event(
    number=7,
    title="Flax day",
    starts_local=datetime.combine(date(2026, 12, 3), time(14)),
    zone="Europe/Brussels",
    duration=2 * HOUR,
    changed_at=START - 30 * DAY,
)


def due(left: timedelta, event: Event = EVENT) -> list[timedelta]:
    """The offsets due this long before the start."""
    return [each.offset for each in due_reminders([event], OFFSETS, START - left)]


def minutes(count: float) -> timedelta:
    return timedelta(minutes=count)


def test_an_event_s_instant_follows_from_its_local_time() -> None:
    assert EVENT.starts_at == START
    assert EVENT.ends_at == START + 2 * HOUR
    summer = replace(EVENT, starts_local=datetime.combine(date(2026, 7, 3), time(14)))
    assert summer.starts_at == datetime(2026, 7, 3, 12, tzinfo=UTC)


def test_an_event_over_a_change_of_clocks_lasts_as_long_as_was_said() -> None:
    night = replace(EVENT, starts_local=datetime.combine(date(2026, 3, 29), time(1, 30)))
    assert night.ends_at.astimezone(BRUSSELS).time() == time(4, 30)


@pytest.mark.parametrize("at", [time(2), time(2, 59)])
def test_a_time_that_clocks_skip_is_refused(at: time) -> None:
    with pytest.raises(NonexistentTime):
        starts_at(datetime.combine(date(2026, 3, 29), at), BRUSSELS)


@pytest.mark.parametrize(
    ("day", "at", "instant"),
    [
        (date(2026, 3, 29), time(1, 59), datetime(2026, 3, 29, 0, 59, tzinfo=UTC)),
        (date(2026, 3, 29), time(3), datetime(2026, 3, 29, 1, tzinfo=UTC)),
        (date(2026, 10, 25), time(2, 30), datetime(2026, 10, 25, 0, 30, tzinfo=UTC)),
        (date(2026, 10, 25), time(3), datetime(2026, 10, 25, 2, tzinfo=UTC)),
    ],
)
def test_a_time_that_comes_twice_is_its_first(day: date, at: time, instant: datetime) -> None:
    assert starts_at(datetime.combine(day, at), BRUSSELS) == instant


@pytest.mark.parametrize(
    ("key", "answer"),
    [("✅", Answer.YES), ("🤔", Answer.MAYBE), ("❌", Answer.NO), ("👍", None), ("", None)],
)
def test_three_reactions_are_answers(key: str, answer: Answer | None) -> None:
    assert answer_of(key) is answer


def test_the_last_answer_counts() -> None:
    said = [Said(ANNA, Answer.YES), Said(BART, Answer.NO), Said(ANNA, Answer.MAYBE)]
    found = tally(said)
    assert found == Tally(maybe=(ANNA,), no=(BART,))
    assert found.counts == (0, 1, 1)
    assert found.answer(ANNA) is Answer.MAYBE
    assert found.answer(CHLOE) is None


def test_who_takes_the_only_answer_back_has_said_nothing() -> None:
    assert tally([Said(ANNA, Answer.YES, withdrawn=True)]) == Tally()


def test_an_answer_that_still_stands_counts_again_when_a_later_one_is_taken_back() -> None:
    said = [Said(ANNA, Answer.YES), Said(ANNA, Answer.NO, withdrawn=True)]
    assert tally(said) == Tally(yes=(ANNA,))


def test_the_bot_s_own_reactions_never_count() -> None:
    seeds = [Said(BOT, answer) for answer in Answer]
    assert tally([*seeds, Said(ANNA, Answer.YES)], besides={BOT}) == Tally(yes=(ANNA,))


def test_changes_concern_who_comes_or_may_come() -> None:
    said = [Said(ANNA, Answer.MAYBE), Said(BART, Answer.NO), Said(CHLOE, Answer.YES)]
    assert tally(said).concerned == (CHLOE, ANNA)


def test_people_are_called_once_where_they_are() -> None:
    present = {"!a": {ANNA, BART}, "!b": {BART, CHLOE}}
    called = callings([CHLOE, BART, ANNA, "@left:x", ANNA], present)
    assert called == {"!a": (BART, ANNA, "@left:x"), "!b": (CHLOE,)}


def test_nobody_can_be_called_without_a_room() -> None:
    with pytest.raises(ValueError, match="no room"):
        callings([ANNA], {})


@pytest.mark.parametrize(
    ("counted", "shown"),
    [
        (None, 0),
        (-60, 0),
        (-10, 0),
        (-4, 6),
        (5, 5),
    ],
)
def test_counts_are_shown_no_more_often_than_agreed(counted: int | None, shown: int) -> None:
    counted_at = None if counted is None else START + timedelta(seconds=counted)
    assert count_at(counted_at, START, timedelta(seconds=10)) == START + timedelta(seconds=shown)


@pytest.mark.parametrize(
    ("left", "expected"),
    [
        (DAY + minutes(1), []),
        (DAY, [DAY]),
        (DAY - 6 * HOUR, [DAY]),
        (DAY - 6 * HOUR - minutes(1), []),
        (HOUR + minutes(1), []),
        (HOUR, [HOUR]),
        (minutes(10), [HOUR]),
        (minutes(9), []),
        (minutes(0), []),
        (minutes(-5), []),
    ],
)
def test_a_reminder_is_due_from_its_moment_while_it_helps(
    left: timedelta, expected: list[timedelta]
) -> None:
    assert due(left) == expected


def test_a_late_reminder_gives_way_to_the_next_one() -> None:
    close = (3 * HOUR, HOUR)
    assert [each.offset for each in due_reminders([EVENT], close, START - HOUR)] == [HOUR]
    assert [each.offset for each in due_reminders([EVENT], close[::-1], START - 2 * HOUR)] == [
        3 * HOUR
    ]


def test_a_reminder_set_for_the_last_minutes_is_sent_on_time() -> None:
    assert due_reminders([EVENT], [minutes(5)], START - minutes(5)) == [Reminder(EVENT, minutes(5))]
    assert due_reminders([EVENT], [minutes(5)], START - minutes(2)) == []


@pytest.mark.parametrize("status", [Status.DRAFT, Status.CANCELLED])
def test_only_what_takes_place_is_reminded_of(status: Status) -> None:
    assert due(HOUR, replace(EVENT, status=status)) == []


def test_nobody_is_reminded_of_what_they_were_told_after_the_reminder_s_moment() -> None:
    assert due(minutes(30), replace(EVENT, changed_at=START - minutes(40))) == []
    assert due(minutes(30), replace(EVENT, changed_at=START - minutes(61))) == [HOUR]


def test_one_event_does_not_hide_another() -> None:
    later = replace(EVENT, number=8, starts_local=EVENT.starts_local + timedelta(hours=23))
    found = due_reminders([EVENT, later], OFFSETS, START - HOUR)
    assert [(each.event.number, each.offset) for each in found] == [(7, HOUR), (8, DAY)]


def test_a_moved_event_has_new_reminders() -> None:
    reminder = Reminder(EVENT, HOUR)
    assert reminder.slot == "7:2026-12-03T13:00:00+00:00:3600"
    moved = replace(EVENT, starts_local=EVENT.starts_local + HOUR)
    assert Reminder(moved, HOUR).slot != reminder.slot
    assert Reminder(replace(EVENT, title="Other"), HOUR).slot == reminder.slot
