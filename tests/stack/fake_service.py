"""A stand-in for a service in the tests of the starter: answers /readyz, and as the gateway also /v1/users.

`python fake_service.py NAME`. What matters to a starter is real: a process, its environment, its address, its signals.
"""

import asyncio
import json
import os
import signal
import sys

USERS = [
    {"name": "users/zoe", "roles": ["administrator"], "state": "DEACTIVATED", "createTime": "2026-01-01T00:00:00Z"},
    {"name": "users/max", "roles": ["administrator"], "state": "ACTIVE", "createTime": "2026-01-03T00:00:00Z"},
    {"name": "users/eva", "roles": ["administrator"], "state": "ACTIVE", "createTime": "2026-01-02T00:00:00Z"},
    {"name": "users/ana", "roles": ["salesperson"], "state": "ACTIVE", "createTime": "2026-01-04T00:00:00Z"},
]


async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    head = (await reader.readuntil(b"\r\n\r\n")).decode()
    path = head.split()[1]
    if path.startswith("/v1/users"):
        # Two pages, so that whoever lists them has to turn one.
        second = "pageToken=" in path
        body = {"users": USERS[2:], "nextPageToken": ""} if second else {"users": USERS[:2], "nextPageToken": "2"}
    else:
        body = {"name": sys.argv[-1], "environment": dict(os.environ)}
    content = json.dumps(body).encode()
    known = not path.startswith("/v1/") or "authorization: bearer " in head.lower()
    status = "200 OK" if known else "401 Unauthorized"
    writer.write(f"HTTP/1.1 {status}\r\ncontent-length: {len(content)}\r\nconnection: close\r\n\r\n".encode() + content)
    writer.close()


async def main() -> None:
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    for setting in ("ADMIN_ADDRESS", "HTTP_ADDRESS"):
        if setting in os.environ:
            host, _, port = os.environ[setting].rpartition(":")
            await asyncio.start_server(answer, host, int(port))
    await stop.wait()


asyncio.run(main())
