"""Load as a process of its own: `python -m failures.overload.generator` reads a plan as JSON, prints a result.

Plan: `port` on 127.0.0.1, `seconds`, `requests` (whole HTTP/1.1 requests as text, sent in turn), `connections`, and
`rate` per second for an open loop (arrivals do not wait for answers; a request's time counts from when it was due), or
0 for a closed loop (each connection sends when it was answered).

Result: `sent`, `unsent` (due, but no connection was free until the end), `broken` connections, `without_retry_after`
refusals, `late`: how late this process itself was, and `statuses`: how long the answers of each took, from when their
request was due. Both are summaries: `count`, and seconds of p50, p99 and max.
"""

import asyncio
import json
import random
import sys
from collections import defaultdict, deque
from typing import Any

import uvloop

MOST_CONNECTIONS, MOST_RATE, MOST_SECONDS = 2_000, 20_000, 120
TICK_SECONDS = 0.001
LAST_ANSWERS_SECONDS = 3.0
PAUSE_SECONDS = 0.02  # of a closed loop's connection that was refused


class Load:
    def __init__(self, plan: dict[str, Any]) -> None:
        self.port, self.rate, self.seconds = plan["port"], plan["rate"], plan["seconds"]
        self.count = plan["connections"]
        if self.count > MOST_CONNECTIONS or self.rate > MOST_RATE or self.seconds > MOST_SECONDS:
            raise ValueError("more load than this program may make")
        self.requests = [text.encode() for text in plan["requests"]]
        self.loop = asyncio.get_running_loop()
        self.idle: deque[Connection] = deque()
        self.due: deque[float] = deque()
        self.took: defaultdict[int, list[float]] = defaultdict(list)
        self.late: list[float] = []
        self.sent = self.broken = self.without_retry_after = 0
        self.ended = False
        self.chance = random.Random(1)

    async def run(self) -> dict[str, Any]:
        for _ in range(self.count):
            await self.open()
        start = self.loop.time()
        self.end = start + self.seconds
        if self.rate:
            await self.offer(start)
        else:
            while self.idle:
                self.send(self.loop.time())
            await asyncio.sleep(self.seconds)
        self.ended = True
        until = self.loop.time() + LAST_ANSWERS_SECONDS
        while len(self.idle) < self.count and self.loop.time() < until:
            await asyncio.sleep(0.01)
        return self.result()

    async def offer(self, start: float) -> None:
        """Arrivals at random moments, as many as `rate` in the mean."""
        following = woken = start
        while following < self.end:
            now = self.loop.time()
            self.late.append(now - woken)
            while following <= now:
                self.due.append(following)
                following += self.chance.expovariate(self.rate)
            self.flush()
            woken = self.loop.time() + TICK_SECONDS
            await asyncio.sleep(TICK_SECONDS)

    async def open(self) -> None:
        _, connection = await self.loop.create_connection(lambda: Connection(self), "127.0.0.1", self.port)
        self.idle.append(connection)

    def flush(self) -> None:
        while self.due and self.idle:
            self.send(self.due.popleft())

    def send(self, due: float) -> None:
        self.idle.popleft().send(self.requests[self.sent % len(self.requests)], due)
        self.sent += 1

    def answered(self, connection: "Connection", head: bytes, due: float) -> None:
        status = int(head[9:12])
        self.took[status].append(self.loop.time() - due)
        refused = status in (429, 503)
        if refused and b"retry-after: " not in head:
            self.without_retry_after += 1
        self.idle.append(connection)
        if self.rate or self.ended:
            return
        if refused:
            self.loop.call_later(PAUSE_SECONDS, self.again)
        else:
            self.again()

    def again(self) -> None:
        if not self.ended:
            self.send(self.loop.time())

    def result(self) -> dict[str, Any]:
        statuses = {status: summary(took) for status, took in self.took.items()}
        counts = {"sent": self.sent, "unsent": len(self.due), "broken": self.broken}
        counts |= {"without_retry_after": self.without_retry_after, "late": summary(self.late or [0.0])}
        return counts | {"statuses": statuses}


def summary(took: list[float]) -> dict[str, float]:
    took.sort()
    return {"count": len(took), "p50": took[len(took) // 2], "p99": took[int(len(took) * 0.99)], "max": took[-1]}


class Connection(asyncio.Protocol):
    """At most one request at a time; reads just as much of the answer as tells where it ends."""

    def __init__(self, load: Load) -> None:
        self.load = load
        self.due = 0.0
        self.buffer = b""

    def connection_made(self, transport: Any) -> None:
        self.transport = transport

    def send(self, request: bytes, due: float) -> None:
        self.due = due
        self.transport.write(request)

    def data_received(self, data: bytes) -> None:
        data = self.buffer = self.buffer + data
        end = data.find(b"\r\n\r\n")
        if end < 0:
            return
        at = data.find(b"content-length: ")
        length = int(data[at + 16 : data.find(b"\r", at)]) if 0 <= at < end else 0
        if len(data) >= end + 4 + length:
            self.buffer = b""
            self.load.answered(self, data[:end], self.due)

    def connection_lost(self, _: Exception | None) -> None:
        if not self.load.ended:
            self.load.broken += 1


async def main() -> None:
    plan = json.loads(sys.stdin.read())
    print(json.dumps(await Load(plan).run()))


if __name__ == "__main__":
    uvloop.run(main())
