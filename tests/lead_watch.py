"""Somebody who watches leads over gRPC, and what he heard."""

import asyncio
from typing import Any

import grpc
import grpc.aio
from chassis.statuses import from_call
from crm.leads.v1 import watch_pb2
from harness import Running, until

PATH = "/crm.leads.v1.WatchService/WatchLeads"


class Watcher:
    """Reads a watch until it ends: `heard` are its messages, `ended` what it ended with (None: without an error)."""

    def __init__(self, leads: Running, by: str, resume_token: str = "", token: str | None = None) -> None:
        sent = leads.issuer.token(by) if token is None else token
        self._channel = grpc.aio.insecure_channel(leads.address)
        watch = self._channel.unary_stream(
            PATH,
            request_serializer=watch_pb2.WatchLeadsRequest.SerializeToString,
            response_deserializer=watch_pb2.WatchLeadsResponse.FromString,
        )
        request = watch_pb2.WatchLeadsRequest(resume_token=resume_token)
        self.call: Any = watch(request, metadata=[("authorization", f"Bearer {sent}")])
        self.heard: list[watch_pb2.WatchLeadsResponse] = []
        self.token = resume_token
        self._reading = asyncio.create_task(self._read())

    async def __aenter__(self) -> "Watcher":
        await self.opened()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.leave()

    async def _read(self) -> Exception | None:
        try:
            async for message in self.call:
                self.heard.append(message)
                self.token = message.resume_token
        except grpc.aio.AioRpcError as error:
            return from_call(error)
        except asyncio.CancelledError:
            return None
        return None

    async def opened(self) -> None:
        async def begun() -> bool:
            return bool(self.heard) or self._reading.done()

        await until(begun, "the watch begins")

    async def leave(self) -> None:
        self.call.cancel()
        await asyncio.wait([self._reading], timeout=5)
        await self._channel.close()

    async def ended(self) -> Exception | None:
        """What it ended with."""
        async with asyncio.timeout(20):
            return await asyncio.shield(self._reading)

    @property
    def told(self) -> list[tuple[str, str]]:
        """(name, etag), or (name, "gone"), in order."""
        changes = [message for message in self.heard if message.gone or message.HasField("lead")]
        return [(one.gone, "gone") if one.gone else (one.lead.name, one.lead.etag) for one in changes]

    async def hears(self, *wanted: tuple[str, str]) -> None:
        """Waits until the last that was told are these."""

        async def heard() -> bool:
            return self.told[-len(wanted) :] == list(wanted)

        try:
            await until(heard, "the changes are told")
        except AssertionError:
            raise AssertionError(f"heard {self.told}, wanted {wanted}") from None
