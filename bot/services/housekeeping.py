"""Once a day: drop what is only kept against repetition and can no longer repeat."""

from datetime import datetime, timedelta

from bot.services.instance import Instance
from storage import inbox, jobs, outbox
from storage.database import Database

# No homeserver delivers an event again, and no link is looked up by ref, after so long.
KEPT = timedelta(days=30)


async def tick(database: Database, instance: Instance, now: datetime) -> None:
    async with database.uow("housekeeping", now) as uow:
        day = now.astimezone(instance.zone).date().isoformat()
        if not await jobs.claim(uow.session, "housekeeping", day, now):
            return
        await inbox.forget(uow.session, now - KEPT)
        await outbox.forget(uow.session, now - KEPT)
        await uow.commit()
