"""All tables: importing this module makes ``Base.metadata`` whole."""

from storage import activity, audit, calendar, inbox, jobs, links, members, outbox, questions, rooms
from storage.base import Base

__all__ = [
    "Base",
    "activity",
    "audit",
    "calendar",
    "inbox",
    "jobs",
    "links",
    "members",
    "outbox",
    "questions",
    "rooms",
]
