"""All tables: importing this module makes ``Base.metadata`` whole."""

from storage import (
    activity,
    answers,
    audit,
    calendar,
    inbox,
    jobs,
    links,
    members,
    outbox,
    profiles,
    questions,
    rooms,
    routing,
)
from storage.base import Base

__all__ = [
    "Base",
    "activity",
    "answers",
    "audit",
    "calendar",
    "inbox",
    "jobs",
    "links",
    "members",
    "outbox",
    "profiles",
    "questions",
    "rooms",
    "routing",
]
