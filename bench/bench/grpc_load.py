"""gRPC load as a process of its own: `python -m bench.grpc_load` reads a plan as JSON, prints a result.

Plan: `address`, `method` (`/crm.leads.v1.LeadService/GetLead`), `seconds`, `connections` (calls under way at a time,
over one channel), `requests` (pairs of a token and a message in base64, sent in turn) and `once`, as in `http_load`;
always a closed loop. Result as there; `statuses` are those of gRPC, 0 is OK.
"""

import asyncio
import base64
import json
import sys
import time
from collections import defaultdict
from typing import Any

import grpc
import grpc.aio
import uvloop

from bench.load import summary

DEADLINE_SECONDS = 10
OPTIONS = [("grpc.max_receive_message_length", 8 << 20), ("grpc.max_send_message_length", 8 << 20)]


async def load(plan: dict[str, Any]) -> dict[str, Any]:
    requests = [
        ((("authorization", f"Bearer {token}"),), base64.b64decode(message)) for token, message in plan["requests"]
    ]
    took: defaultdict[int, list[float]] = defaultdict(list)
    sent = 0
    async with grpc.aio.insecure_channel(plan["address"], options=OPTIONS) as channel:
        await channel.channel_ready()
        call = channel.unary_unary(plan["method"])  # bytes in, bytes out
        cpu, start = time.process_time(), time.perf_counter()
        end = start + plan["seconds"]

        async def caller() -> None:
            nonlocal sent
            while time.perf_counter() < end and not (plan["once"] and sent >= len(requests)):
                metadata, message = requests[sent % len(requests)]
                sent += 1
                began, status = time.perf_counter(), 0
                try:
                    await call(message, metadata=metadata, timeout=DEADLINE_SECONDS)
                except grpc.aio.AioRpcError as error:
                    status = error.code().value[0]
                took[status].append(time.perf_counter() - began)

        await asyncio.gather(*(caller() for _ in range(plan["connections"])))
        lasted = {"seconds": time.perf_counter() - start, "cpu": time.process_time() - cpu}
    return {"sent": sent, "statuses": {status: summary(times) for status, times in took.items()}} | lasted


def main() -> None:
    plan = json.loads(sys.stdin.read())
    print(json.dumps(uvloop.run(load(plan))))


if __name__ == "__main__":
    main()
