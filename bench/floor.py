"""The least a bot can do: a loop of /sync and PUT over bare aiohttp, nothing kept, nothing checked.

``python -m bench.floor URL TOKEN`` answers every command with a line, room by room in order.
"""

import asyncio
import itertools
import sys
from typing import Any

import aiohttp

from bench.subject import COMMAND

ROOMS_AT_ONCE = 8


async def main(url: str, token: str) -> None:
    client = f"{url}/_matrix/client/v3"
    numbers = itertools.count()
    async with aiohttp.ClientSession(headers={"Authorization": f"Bearer {token}"}) as http:
        since = await _sync(http, client, {"timeout": "0"})
        while True:
            query = {"timeout": "30000", "since": since["next_batch"], "filter": _FILTER}
            since = await _sync(http, client, query)
            rooms = since["rooms"]["join"].items()
            await asyncio.gather(
                *(_answer(http, client, room_id, room, numbers) for room_id, room in rooms)
            )


_FILTER = '{"room": {"timeline": {"limit": 100}}}'


async def _sync(http: aiohttp.ClientSession, client: str, query: dict[str, str]) -> Any:
    async with http.get(f"{client}/sync", params=query) as response:
        return await response.json()


async def _answer(
    http: aiohttp.ClientSession,
    client: str,
    room_id: str,
    room: dict[str, Any],
    numbers: "itertools.count[int]",
) -> None:
    for event in room["timeline"]["events"]:
        if event["content"].get("body") == COMMAND:
            url = f"{client}/rooms/{room_id}/send/m.room.message/floor{next(numbers)}"
            async with http.put(url, json=_reply(event["event_id"])) as response:
                await response.read()


def _reply(event_id: str) -> dict[str, Any]:
    relation = {"m.in_reply_to": {"event_id": event_id}}
    return {"msgtype": "m.notice", "body": "about", "m.relates_to": relation}


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
