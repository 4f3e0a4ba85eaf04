"""The yardstick: matrix-nio as its documentation shows it, answering ``!ping`` with ``pong``.

``python -m bench.nio_echo URL USER TOKEN DEVICE``. It keeps nothing and checks nothing.
"""

import asyncio
import sys

from nio import AsyncClient, Event, MatrixRoom, RoomMessageText

PING, PONG, READY = "!ping", "pong", "listening"


async def main(url: str, user_id: str, token: str, device_id: str) -> None:
    client = AsyncClient(url, user_id)
    client.restore_login(user_id, device_id, token)

    async def answer(room: MatrixRoom, event: Event) -> None:
        assert isinstance(event, RoomMessageText)
        if event.body == PING:
            content = {
                "msgtype": "m.notice",
                "body": PONG,
                "m.relates_to": {"m.in_reply_to": {"event_id": event.event_id}},
            }
            await client.room_send(room.room_id, "m.room.message", content)

    await client.sync(timeout=0)
    print(READY, flush=True)
    client.add_event_callback(answer, RoomMessageText)
    await client.sync_forever(timeout=30_000)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
