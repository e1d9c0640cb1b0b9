"""The edge of calls that stream: identity, permission and rules as for every call, then for each message once more
whether the caller is still who he was, and whether he reads.

A stream is no work: it holds no database connection and no place among the calls under way, but there are only so many
for each caller, and each ends by itself.
"""

import asyncio
import contextlib
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing
from typing import TYPE_CHECKING

import grpc
import grpc.aio
from google.protobuf.message import Message

from chassis import telemetry
from chassis.customers import redact
from chassis.errors import CrmError, PermissionDenied, ResourceExhausted
from chassis.feed import WatchOutdated
from chassis.identity import Caller, Reach
from chassis.statuses import to_status
from chassis.telemetry import log
from chassis.tokens import TokenRefused
from chassis.work import Work

if TYPE_CHECKING:
    from chassis.rpc import Edge, Method

# Less than a connection's grace after its age (service.GRPC_OPTIONS), so that a stream ends by itself and is not cut.
WATCH_SECONDS = 300.0
WRITE_SECONDS = 20.0  # for a caller to take a message
REFUSE_SECONDS = 1.0  # for one who does not read to hear why
MOST_OF_ONE = 10  # a person with some browser windows; a system with a few processes
MOST = 1_000


class TooManyWatches(ResourceExhausted):
    """You have as many watches open as one may; end one of them."""


class WatchTooSlow(ResourceExhausted):
    """You did not read what changed; go on with the last token that came."""


class WatchCalls:
    """Serves the methods that stream their answers, for the edge."""

    def __init__(self, edge: "Edge") -> None:
        self._edge = edge
        self.open: Counter[str] = Counter()  # by caller

    def serve(self, method: "Method") -> Callable[[bytes, grpc.aio.ServicerContext], Awaitable[None]]:
        async def serve(request: bytes, call: grpc.aio.ServicerContext) -> None:
            code = "OK"
            try:
                await self._stream(method, request, call)
            except CrmError as error:
                code = error.code
                await self._refuse(call, error)
            except Exception as error:
                code = "INTERNAL"
                log.error("%s failed", method.path, exc_info=error)
                await self._refuse(call, CrmError(trace_id=telemetry.trace_id()))
            finally:
                self._edge.calls[method.path, code] = self._edge.calls.get((method.path, code), 0) + 1

        return serve

    async def _stream(self, method: "Method", request: bytes, call: grpc.aio.ServicerContext) -> None:
        from chassis.rpc import parsed

        traceparent = str(dict(call.invocation_metadata() or ()).get("traceparent", ""))
        with telemetry.span(method.path, telemetry.SpanKind.SERVER, traceparent=traceparent):
            caller, reach = await self._who(method, call)
            self._edge.volume.check(caller, method.path, method.permission)
            message = parsed(method, request)
            self._edge.validate(method, message)
        if self.open[caller.name] >= MOST_OF_ONE or self.open.total() >= MOST:
            raise TooManyWatches(most=MOST_OF_ONE)
        self.open[caller.name] += 1
        try:
            work = Work(self._edge.context, caller, reach=reach, operation=method.path)
            async with aclosing(method.handler(message, work)) as answers:
                await self._tell(method, work, answers, call)
        finally:
            self.open[caller.name] -= 1
            self.open += Counter()  # forgets who has none

    async def _who(self, method: "Method", call: grpc.aio.ServicerContext) -> tuple[Caller, Reach]:
        from chassis.rpc import source_of

        caller = await self._edge.caller(method, dict(call.invocation_metadata() or ()), source_of(call))
        try:
            return caller, caller.reach(method.permission)
        except PermissionDenied as refused:
            self._edge.context.audit.refused(caller, method.path, "", refused.reason)
            raise

    async def _tell(
        self, method: "Method", work: Work, answers: AsyncIterator[Message], call: grpc.aio.ServicerContext
    ) -> None:
        until = asyncio.get_running_loop().time() + WATCH_SECONDS
        async for answer in answers:
            if await self._expired(call):
                return  # no fault: the caller comes again with a new token
            if await self._who(method, call) != (work.caller, work.reach):
                raise WatchOutdated()
            if work.reach is Reach.CUSTOMER:
                redact(answer)
            try:
                await asyncio.wait_for(call.write(answer.SerializeToString()), WRITE_SECONDS)
            except TimeoutError:
                raise WatchTooSlow() from None
            except grpc.aio.BaseError:
                return  # the caller is gone
            self._edge.volume.took(work.caller, method.path, records_told(answer))
            if asyncio.get_running_loop().time() > until:
                return

    async def _expired(self, call: grpc.aio.ServicerContext) -> bool:
        try:
            await self._edge.tokens.subject(str(dict(call.invocation_metadata() or ()).get("authorization", "")))
        except TokenRefused as refused:
            return refused.why == "expired"
        return False

    async def _refuse(self, call: grpc.aio.ServicerContext, error: CrmError) -> None:
        """Who does not read does not hear it, and is not waited for: his connection ends at its age."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(call.abort_with_status(to_status(error)), REFUSE_SECONDS)


def records_told(answer: Message) -> int:
    return sum(item.message_type is not None for item, _ in answer.ListFields())
