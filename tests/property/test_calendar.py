"""However answers come and however the clock ticks: people are counted once and reminded once."""

from collections import Counter
from datetime import UTC, date, datetime, time, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

from hypothesis import assume, given
from hypothesis import strategies as st

from bot.domain.calendar import (
    Answer,
    Event,
    NonexistentTime,
    Said,
    Status,
    due_reminders,
    starts_at,
    tally,
)

ZONES = ["Europe/Brussels", "Europe/London", "America/New_York", "Australia/Lord_Howe", "UTC"]
PEOPLE = ["@a:x", "@b:x", "@c:x"]
BOT = "@bot:x"
MINUTE = timedelta(minutes=1)

days = st.dates(date(2026, 1, 1), date(2028, 12, 31))
times = st.integers(0, 24 * 60 - 1).map(lambda count: time(count // 60, count % 60))
locals_ = st.builds(datetime.combine, days, times)
said = st.lists(
    st.builds(Said, st.sampled_from([*PEOPLE, BOT]), st.sampled_from(Answer), st.booleans())
)
offsets = st.lists(st.integers(1, 48 * 60).map(lambda count: count * MINUTE), max_size=4)


def event(local: datetime, zone: str, told: timedelta = timedelta(days=90)) -> Event:
    start = datetime.combine(local.date(), local.time(), UTC)
    return Event(
        number=1,
        title="",
        starts_local=local,
        zone=zone,
        duration=timedelta(hours=1),
        changed_at=start - told,
    )


@given(locals_, st.sampled_from(ZONES))
def test_a_local_time_is_found_on_the_wall_at_its_instant(local: datetime, zone: str) -> None:
    try:
        moment = starts_at(local, ZoneInfo(zone))
    except NonexistentTime:
        assume(False)
    assert moment.astimezone(ZoneInfo(zone)).replace(tzinfo=None) == local
    assert event(local, zone).starts_at == moment


@given(locals_, st.sampled_from(ZONES))
def test_an_instant_can_always_be_named(local: datetime, zone: str) -> None:
    """What exists is not refused: each instant's local time leads back to it or its first pass."""
    moment = datetime.combine(local.date(), local.time(), UTC)
    on_the_wall = moment.astimezone(ZoneInfo(zone)).replace(tzinfo=None, fold=0)
    assert starts_at(on_the_wall, ZoneInfo(zone)) in {
        moment,
        moment - timedelta(minutes=30),
        moment - timedelta(hours=1),
    }


@given(said)
def test_everybody_counts_once_and_the_bot_never(answers: list[Said]) -> None:
    found = tally(answers, besides={BOT})
    everybody = [*found.yes, *found.maybe, *found.no]
    assert set(Counter(everybody).values()) <= {1}
    assert set(everybody) == {each.user_id for each in answers if not each.withdrawn} - {BOT}


@given(said, st.sampled_from(PEOPLE), st.sampled_from(Answer))
def test_what_is_said_last_counts_and_taking_it_back_undoes_it(
    answers: list[Said], person: str, answer: Answer
) -> None:
    assert tally([*answers, Said(person, answer)]).answer(person) is answer
    assert tally([*answers, Said(person, answer, withdrawn=True)]) == tally(answers)


@given(said)
def test_what_others_say_changes_nothing_for_me(answers: list[Said]) -> None:
    alone = [each for each in answers if each.user_id == PEOPLE[0]]
    assert tally(answers).answer(PEOPLE[0]) is tally(alone).answer(PEOPLE[0])


@given(locals_, st.sampled_from(ZONES), offsets, st.integers(-60, 50 * 60))
def test_at_most_one_reminder_and_only_between_its_moment_and_the_start(
    local: datetime, zone: str, before: list[timedelta], left: int
) -> None:
    planned = event(local, zone)
    now = planned.starts_at - left * MINUTE
    found = due_reminders([planned], before, now)
    assert len(found) <= 1
    for reminder in found:
        assert planned.starts_at - reminder.offset <= now < planned.starts_at
        assert not any(left * MINUTE <= offset < reminder.offset for offset in before)


@given(locals_, st.sampled_from(ZONES), offsets, st.integers(0, 59))
def test_a_clock_that_ticks_each_minute_misses_no_reminder(
    local: datetime, zone: str, before: list[timedelta], second: int
) -> None:
    planned = event(local, zone)
    for offset in before:
        tick = planned.starts_at - offset + timedelta(seconds=second)
        next_moments = [other for other in before if other < offset]
        if tick < planned.starts_at and all(tick < planned.starts_at - o for o in next_moments):
            assert [each.offset for each in due_reminders([planned], before, tick)] == [offset]


@given(locals_, st.sampled_from(ZONES), offsets)
def test_each_reminder_is_due_in_one_stretch(
    local: datetime, zone: str, before: list[timedelta]
) -> None:
    """So that the slot it is noted under is claimed once, however often the clock ticks."""
    planned = event(local, zone)
    ticks = [planned.starts_at - count * 10 * MINUTE for count in range(49 * 6, -2, -1)]
    found = [[each.slot for each in due_reminders([planned], before, tick)] for tick in ticks]
    begun = [now for last, now in pairwise(found) if now and now != last]
    assert len(begun) == len({slot for [slot] in begun})


@given(locals_, offsets, st.sampled_from([Status.DRAFT, Status.CANCELLED]), st.integers(0, 3_000))
def test_what_does_not_take_place_is_never_reminded_of(
    local: datetime, before: list[timedelta], status: Status, left: int
) -> None:
    planned = Event(
        number=1,
        title="",
        starts_local=local,
        zone="Europe/Brussels",
        duration=timedelta(hours=1),
        changed_at=datetime(2025, 1, 1, tzinfo=UTC),
        status=status,
    )
    assert due_reminders([planned], before, planned.starts_at - left * MINUTE) == []
