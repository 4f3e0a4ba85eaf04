"""What the network needs of a homeserver, and how it fails.

    HomeserverError
    ├── Unreachable        no answer, or one that is not Matrix: try again
    ├── RateLimited        429: try again after ``retry_after`` seconds
    ├── ServerFault        5xx: try again
    ├── TokenRejected      401 M_UNKNOWN_TOKEN / M_MISSING_TOKEN: nothing works until it is renewed
    └── Refused            any other 4xx: trying the same again is useless
        ├── Forbidden      403
        └── NotFound       404

``bot.matrix`` implements ``Homeserver``; tests also have a fake that passes the same contract.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol


class HomeserverError(Exception):
    """``errcode`` is Matrix's, empty when the answer had none; ``status`` is HTTP's, 0 if none."""

    def __init__(self, message: str, *, errcode: str = "", status: int = 0) -> None:
        super().__init__(message)
        self.errcode = errcode
        self.status = status


class Unreachable(HomeserverError):
    pass


class ServerFault(HomeserverError):
    pass


class RateLimited(HomeserverError):
    """``retry_after`` is in seconds, as the homeserver asked in its body or its header."""

    def __init__(self, message: str, *, retry_after: float) -> None:
        super().__init__(message, errcode="M_LIMIT_EXCEEDED", status=429)
        self.retry_after = retry_after


class TokenRejected(HomeserverError):
    pass


class Refused(HomeserverError):
    pass


class Forbidden(Refused):
    pass


class NotFound(Refused):
    pass


TRANSIENT = (Unreachable, ServerFault, RateLimited)


@dataclass(frozen=True, slots=True)
class Identity:
    user_id: str
    device_id: str


@dataclass(frozen=True, slots=True)
class Page:
    """Events from the newest to the oldest; ``end`` is None when there are no more."""

    events: Sequence[dict[str, Any]]
    end: str | None


class Homeserver(Protocol):
    """Every method may raise ``HomeserverError``; none retries by itself."""

    async def whoami(self) -> Identity: ...

    async def default_room_version(self) -> str: ...

    async def sync(
        self, since: str | None, timeout_ms: int, sync_filter: Mapping[str, Any]
    ) -> dict[str, Any]: ...

    async def messages_before(
        self, room_id: str, start: str, *, stop: str | None, limit: int, types: Sequence[str]
    ) -> Page:
        """Events of ``types`` before the token ``start``, down to the token ``stop``."""
        ...

    async def event(self, room_id: str, event_id: str) -> dict[str, Any] | None:
        """The original event, with its newest edit in ``unsigned`` where there is one."""
        ...

    async def send_event(
        self, room_id: str, type: str, content: Mapping[str, Any], txn_id: str
    ) -> str: ...

    async def redact(self, room_id: str, event_id: str, txn_id: str) -> str: ...

    async def create_room(self, body: Mapping[str, Any]) -> str: ...

    async def join(self, room: str, via: Sequence[str] = ()) -> str: ...

    async def leave(self, room_id: str) -> None: ...

    async def invite(self, room_id: str, user_id: str) -> None: ...

    async def joined_rooms(self) -> set[str]: ...

    async def joined_members(self, room_id: str) -> dict[str, str | None]:
        """User ids with their display names."""
        ...

    async def room_state(self, room_id: str) -> list[dict[str, Any]]: ...

    async def state_event(self, room_id: str, type: str, key: str = "") -> dict[str, Any] | None:
        """The content, or None when there is no such state."""
        ...

    async def put_state(
        self, room_id: str, type: str, content: Mapping[str, Any], key: str = ""
    ) -> str: ...

    async def resolve_alias(self, alias: str) -> str | None: ...

    async def put_alias(self, alias: str, room_id: str) -> None: ...

    async def delete_alias(self, alias: str) -> None: ...

    async def account_data(self, type: str) -> dict[str, Any] | None: ...

    async def put_account_data(self, type: str, content: Mapping[str, Any]) -> None: ...

    async def display_name(self, user_id: str) -> str | None: ...

    async def put_display_name(self, name: str) -> None: ...

    async def typing(self, room_id: str, on: bool) -> None: ...
