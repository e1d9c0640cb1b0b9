"""HTTP load as a process of its own: `python -m bench.http_load` reads a plan as JSON, prints a result.

Plan: `port` on 127.0.0.1, `seconds`, `requests` (whole HTTP/1.1 requests as text, sent in turn), `connections`, and
`rate` per second for an open loop (arrivals do not wait for answers; a request's time counts from when it was due), or
0 for a closed loop (each connection sends when it was answered). With `once` no request is sent a second time: the
load ends with the last of them. `nice` is by how much this process steps back where processors are short (0).

Result: `sent`, `unsent` (due, but no connection was free until the end), `broken` connections, `without_retry_after`
refusals, `late`: how late this process itself was, `seconds` to the last answer, `cpu` seconds this process took for
it, and `statuses`: how long the answers of each took, from when their request was due. Summaries are `count`, and
seconds of p50, p99 and max.
"""

import asyncio
import json
import os
import random
import sys
from collections import defaultdict, deque
from time import perf_counter, process_time
from typing import Any

import uvloop

from bench.load import summary

MOST_CONNECTIONS, MOST_RATE, MOST_SECONDS = 2_000, 20_000, 120
TICK_SECONDS = 0.001
LAST_ANSWERS_SECONDS = 3.0
PAUSE_SECONDS = 0.02  # of a closed loop's connection that was refused


class Load:
    def __init__(self, plan: dict[str, Any]) -> None:
        self.port, self.rate, self.seconds = plan["port"], plan["rate"], plan["seconds"]
        self.count, self.once = plan["connections"], plan.get("once", False)
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
        cpu, start = process_time(), perf_counter()
        self.end = self.last = start + self.seconds
        if self.rate:
            await self.offer(start)
        else:
            while self.idle and not self.exhausted:
                self.send(perf_counter())
            await self.until_end()
        self.ended = True
        until = perf_counter() + LAST_ANSWERS_SECONDS
        while len(self.idle) < self.count and perf_counter() < until:
            await asyncio.sleep(0.01)
        return self.result() | {"seconds": self.last - start, "cpu": process_time() - cpu}

    @property
    def exhausted(self) -> bool:
        return self.once and self.sent >= len(self.requests)

    async def until_end(self) -> None:
        while perf_counter() < self.end and not (self.exhausted and len(self.idle) == self.count):
            await asyncio.sleep(min(0.01, max(self.end - perf_counter(), 0)))

    async def offer(self, start: float) -> None:
        """Arrivals at random moments, as many as `rate` in the mean."""
        following = woken = start
        while following < self.end and not self.exhausted:
            now = perf_counter()
            self.late.append(now - woken)
            while following <= now:
                self.due.append(following)
                following += self.chance.expovariate(self.rate)
            self.flush()
            woken = perf_counter() + TICK_SECONDS
            await asyncio.sleep(TICK_SECONDS)

    async def open(self) -> None:
        _, connection = await self.loop.create_connection(lambda: Connection(self), "127.0.0.1", self.port)
        self.idle.append(connection)

    def flush(self) -> None:
        while self.due and self.idle and not self.exhausted:
            self.send(self.due.popleft())

    def send(self, due: float) -> None:
        self.idle.popleft().send(self.requests[self.sent % len(self.requests)], due)
        self.sent += 1

    def answered(self, connection: "Connection", head: bytes, due: float) -> None:
        status, self.last = int(head[9:12]), perf_counter()
        self.took[status].append(self.last - due)
        refused = status in (429, 503)
        if refused and b"retry-after: " not in head:
            self.without_retry_after += 1
        self.idle.append(connection)
        if self.rate or self.ended or self.exhausted:
            return
        if refused:
            self.loop.call_later(PAUSE_SECONDS, self.again)
        else:
            self.again()

    def again(self) -> None:
        if not self.ended and not self.exhausted and self.idle:
            self.send(perf_counter())

    def result(self) -> dict[str, Any]:
        statuses = {status: summary(took) for status, took in self.took.items()}
        counts: dict[str, Any] = {"sent": self.sent, "unsent": len(self.due), "broken": self.broken}
        counts |= {"without_retry_after": self.without_retry_after, "late": summary(self.late or [0.0])}
        return counts | {"statuses": statuses}


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
    os.nice(plan.get("nice", 0))
    print(json.dumps(await Load(plan).run()))


if __name__ == "__main__":
    uvloop.run(main())
