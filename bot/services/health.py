"""What the bot cannot do without, and what is wrong with it at this moment."""

from enum import StrEnum

NOT_YET = "the homeserver has not answered yet"
TOKEN_REJECTED = "the homeserver rejects the access token"


class Part(StrEnum):
    HOMESERVER = "homeserver"
    DATABASE = "database"
    TOKEN = "token"
    # The loops of bot/app.py, while they fail.
    SYNC = "sync"
    WORKER = "worker"
    RELAY = "relay"
    PROVISION = "provision"
    JOBS = "jobs"
    VECTORS = "vectors"


class Health:
    """The last thing known about each part. It begins red: nobody has answered yet.

    Faults are shown to whoever asks: they hold no secret and nothing that people wrote.
    """

    def __init__(self) -> None:
        self._faults: dict[Part, str] = {Part.HOMESERVER: NOT_YET}

    @property
    def ready(self) -> bool:
        return not self._faults

    @property
    def faults(self) -> dict[str, str]:
        """What is wrong, by part; a copy."""
        return {part.value: self._faults[part] for part in Part if part in self._faults}

    def set(self, part: str, fault: str | None) -> None:
        """``part`` is one of `Part`; ``fault`` is None when nothing is wrong with it."""
        if fault is None:
            self._faults.pop(Part(part), None)
        else:
            self._faults[Part(part)] = fault

    def synced(self, fault: str | None) -> None:
        """What the sync loop saw: None for an answer, "token" for one that refuses the token, else
        why there was no answer."""
        if fault == Part.TOKEN:
            self.set(Part.HOMESERVER, None)
            self.set(Part.TOKEN, TOKEN_REJECTED)
            return
        self.set(Part.HOMESERVER, fault)
        if fault is None:
            self.set(Part.TOKEN, None)
            self.set(Part.SYNC, None)
