"""The clock's part in events: reminders, each once, and drafts that nobody can announce now."""

from datetime import datetime, timedelta

from bot.domain import content
from bot.domain.calendar import Event, Reminder, due_reminders
from bot.services.calendar import texts
from bot.services.calendar.common import Home, calls, event_of, homes, tally_of
from bot.services.instance import Instance
from bot.services.speech import linked, say
from config.locales import N_
from storage import calendar, jobs
from storage.database import Database, Uow

JOB = "event-reminder"
STEP = timedelta(minutes=5)
"""How exactly people are told how much time is left, unless it is very little."""


async def tick(database: Database, instance: Instance, now: datetime) -> None:
    """Each reminder in a transaction of its own: one that fails undoes no other."""
    async with database.uow("calendar", now) as uow:
        await calendar.forget_drafts(uow.session, now)
        events = [event_of(each) for each in await calendar.upcoming(uow.session, now)]
        await uow.commit()
    for reminder in due_reminders(events, instance.network.events.reminders, now):
        async with database.uow(f"{JOB}:{reminder.slot}", now) as uow:
            await _remind(uow, instance, reminder)
            await uow.commit()


async def _remind(uow: Uow, instance: Instance, reminder: Reminder) -> None:
    """Unless it has been done, or the event has been moved or cancelled in this very moment."""
    row = await calendar.get(uow.session, reminder.event.number, to_change=True)
    if row is None or event_of(row) != reminder.event:
        return
    if not await jobs.claim(uow.session, JOB, reminder.slot, uow.now):
        return
    where = await homes(uow, instance, row)
    called = await calls(uow, where, (await tally_of(uow, instance, row.id)).yes)
    for home in where:
        _say(uow, instance, reminder, home, called[home.room_id])


def _say(
    uow: Uow, instance: Instance, reminder: Reminder, home: Home, called: content.Piece | None
) -> None:
    event = reminder.event
    say(
        uow,
        home.room_id,
        content.lines(called, _text(uow, instance, event, home), texts.place(event)),
        "event.reminder",
        rings=True,
        link=linked(uow, "event.reminder", event.number),
        event=event.number,
        sequence=event.sequence,
        offset=int(reminder.offset.total_seconds()),
    )


def _text(uow: Uow, instance: Instance, event: Event, home: Home) -> content.Piece:
    left = event.starts_at - uow.now
    if left > 2 * STEP:
        left = round(left / STEP) * STEP
    sentence = instance.texts.each(
        instance.network.languages,
        N_("In {time}: {when}"),
        time=lambda tr: tr.duration(left),
        when=lambda tr: texts.when(event, tr),
    )
    title = texts.titled(instance, event, home.announcement)
    return content.lines(content.join(" ", ["⏰", title]), sentence)
