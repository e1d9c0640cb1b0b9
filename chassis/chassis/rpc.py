"""The edge: what happens around every handler, in order.

trace → deadline → identity → permission → validate → work → handler → commit → error → one log line. A handler is
`async def QualifyLead(self, request, work)` on a plain class; it returns a record, a page or a message.
"""

import asyncio
import hashlib
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import grpc
import grpc.aio
from crm.options.v1 import options_pb2
from google.protobuf.descriptor import MethodDescriptor, ServiceDescriptor
from google.protobuf.message import DecodeError, Message

from chassis import convert, telemetry
from chassis.answers import as_message, as_text_page, kept, serialised, told_once
from chassis.customers import internal_fields, redact, refuse_internal
from chassis.errors import (
    Aborted,
    CallTooLate,
    CrmError,
    InvalidArgument,
    InvalidFields,
    PermissionDenied,
    RequestIdReused,
    StaleEtag,
    TooBusy,
    Unauthenticated,
    Unavailable,
)
from chassis.identity import Caller, Reach
from chassis.saga import Sagas
from chassis.statuses import to_status
from chassis.telemetry import log
from chassis.tokens import TokenRefused, Tokens
from chassis.values import Record, utc_now
from chassis.volume import Volume, records_in
from chassis.watch_calls import WatchCalls
from chassis.wire import JSON_PAGE
from chassis.work import Context, Page, RequestId, RequestTaken, Work
from chassis.writing import LostRace

DEFAULT_SECONDS, LONGEST_SECONDS = 10.0, 30.0
LONGEST_INTERNAL_SECONDS = 600.0  # a rebuild, a replay: asked for by ops, never by users
SHORTEST_SECONDS = 0.1  # less cannot be kept; refuse at once
SPARE_SECONDS = 0.02  # kept back to say which call was late
SAGA_SPARE_SECONDS = 0.5  # kept back to read the record again after waiting for its saga
# Sixteen for each database connection of the default pool: the last of them waits a tenth of a second. The gateway
# sends fewer by itself; this bounds memory when many gateways, sagas and neighbours come at once.
MOST_CALLS = 256
RACES = 3
ANONYMOUS = "anonymous"  # who is asked for no token, or shows one that cannot be believed, whatever it says
MOST_SOURCE = 300  # characters of where a call came from

ANSWERED = "SELECT digest, answer, subject FROM request WHERE caller = $1::text AND method = $2::text AND id = $3::uuid"


class NotThisMessage(InvalidArgument):
    """The bytes sent are not the message that this method takes."""


class Busy(Aborted):
    """Too many others change this record at the moment; repeat the call."""


@dataclass(frozen=True)
class Method:
    """One RPC: its contract, read from the descriptors, and the handler that keeps it."""

    path: str
    permission: str
    internal: bool
    anonymous: bool
    request: type[Message]
    answer: type[Message]
    handler: Callable[[Any, Work], Any]
    has_request_id: bool
    resource_field: str  # of an Update request; else empty
    internal_fields: frozenset[str]  # what people of a customer do not see of the answer
    told_once: tuple[str, ...]  # secrets of the answer, which are kept nowhere
    streams: bool  # many answers

    @classmethod
    def read(cls, descriptor: MethodDescriptor, service: ServiceDescriptor, servicer: object) -> "Method":
        options = descriptor.GetOptions()
        names = [item.name for item in descriptor.input_type.fields]
        return cls(
            path=f"{service.full_name}/{descriptor.name}",
            permission=options.Extensions[options_pb2.permission],
            internal=options.Extensions[options_pb2.internal],
            anonymous=options.Extensions[options_pb2.anonymous],
            request=convert.message_class(descriptor.input_type),
            answer=convert.message_class(descriptor.output_type),
            handler=getattr(servicer, descriptor.name),
            has_request_id="request_id" in names,
            resource_field=names[0] if "update_mask" in names else "",
            internal_fields=internal_fields(descriptor.output_type),
            told_once=told_once(descriptor.output_type),
            streams=descriptor.server_streaming,
        )


def methods_of(services: Iterable[tuple[ServiceDescriptor, object]]) -> list[Method]:
    return [Method.read(method, service, servicer) for service, servicer in services for method in service.methods]


def violations(message: Message) -> list[tuple[str, str]]:
    """What the contract's rules say against a message: (field path, description) pairs."""
    import protovalidate  # here and nowhere else: it is the only user of its protobuf runtime

    return [(_path(found.proto.field), found.proto.message) for found in protovalidate.collect_violations(message)]


def _path(field_path: Any) -> str:
    parts = []
    for element in field_path.elements if field_path else ():
        subscript = element.subscript
        inside = f"[{subscript.value}]" if subscript else ""
        parts.append(f"{element.field_name}{inside}")
    return ".".join(parts)


class Edge:
    """Runs the methods of one service."""

    def __init__(
        self,
        context: Context,
        tokens: Tokens,
        sagas: Sagas,
        methods: Sequence[Method],
        volume: Volume,
    ) -> None:
        self.context, self.tokens, self._sagas = context, tokens, sagas
        self._methods, self.volume = methods, volume
        self.calls: dict[tuple[str, str], int] = {}  # (method, code) → how often, for /metrics
        self.under_way = 0
        self.watches = WatchCalls(self)

    def handlers(self) -> list[grpc.GenericRpcHandler]:
        by_service: dict[str, dict[str, grpc.RpcMethodHandler]] = {}
        for method in self._methods:
            service, name = method.path.split("/")
            by_service.setdefault(service, {})[name] = (
                grpc.unary_stream_rpc_method_handler(self.watches.serve(method))
                if method.streams
                else grpc.unary_unary_rpc_method_handler(self._serve(method), None, serialised)
            )
        return [grpc.method_handlers_generic_handler(service, table) for service, table in by_service.items()]

    def _serve(self, method: Method) -> Callable[[bytes, grpc.aio.ServicerContext], Any]:
        async def serve(request: bytes, call: grpc.aio.ServicerContext) -> Message | bytes:
            metadata = dict(call.invocation_metadata() or ())
            began = time.perf_counter()
            code = "OK"
            self.under_way += 1
            traceparent = str(metadata.get("traceparent", ""))
            with telemetry.span(method.path, telemetry.SpanKind.SERVER, traceparent=traceparent):
                try:
                    if self.under_way > MOST_CALLS:
                        raise TooBusy()
                    return await self._in_time(method, request, metadata, source_of(call), call.time_remaining())
                except CrmError as error:
                    code = error.code
                    telemetry.mark(reason=error.reason)
                    self._line(method, code, began, reason=error.reason)
                    await call.abort_with_status(to_status(error))
                    raise AssertionError("abort raises") from error
                except Exception as error:
                    code = "INTERNAL"
                    log.error("%s failed", method.path, exc_info=error)
                    await call.abort_with_status(to_status(CrmError(trace_id=telemetry.trace_id())))
                    raise AssertionError("abort raises") from error
                finally:
                    self.under_way -= 1
                    self.calls[method.path, code] = self.calls.get((method.path, code), 0) + 1
                    if code == "OK":
                        self._line(method, code, began)

        return serve

    def _line(self, method: Method, code: str, began: float, **more: str) -> None:
        if log.isEnabledFor(20):
            milliseconds = round((time.perf_counter() - began) * 1000, 1)
            log.info("call", extra={"fields": {"method": method.path, "code": code, "ms": milliseconds, **more}})

    async def _in_time(
        self, method: Method, request: bytes, metadata: dict[str, Any], source: str, asked: float | None
    ) -> Message | bytes:
        longest = LONGEST_INTERNAL_SECONDS if method.internal else LONGEST_SECONDS
        seconds = min(DEFAULT_SECONDS if asked is None else asked, longest)
        if seconds < SHORTEST_SECONDS:
            raise CallTooLate(method=method.path, seconds=round(seconds, 3))
        until = asyncio.get_running_loop().time() + seconds - SPARE_SECONDS
        try:
            async with asyncio.timeout_at(until):
                caller = await self.caller(method, metadata, source)
                try:
                    as_text = metadata.get(JSON_PAGE[0]) == JSON_PAGE[1]
                    return await self._answer(method, parsed(method, request), caller, until, as_text)
                except PermissionDenied as refused:
                    self.context.audit.refused(caller, method.path, refused.metadata.get("name", ""), refused.reason)
                    raise
        except TimeoutError as late:
            raise CallTooLate(method=method.path, seconds=round(seconds, 3)) from late

    async def caller(self, method: Method, metadata: dict[str, Any], source: str) -> Caller:
        if method.anonymous:  # whoever they are: a token, if they show one, is not looked at
            return Caller(ANONYMOUS, ANONYMOUS, source=source)
        try:
            subject = await self.tokens.subject(str(metadata.get("authorization", "")))
        except TokenRefused as refused:
            if refused.why != "missing":  # who shows none pretends nothing
                nobody = Caller(ANONYMOUS, ANONYMOUS, source=source)
                self.context.audit.refused(nobody, method.path, "", refused.reason, why=refused.why)
            raise
        try:
            caller = await self.context.members.caller(subject, str(metadata.get("crm-actor", "")))
        except (Unauthenticated, PermissionDenied) as refused:
            self.context.audit.refused(Caller(subject, subject, source=source), method.path, "", refused.reason)
            raise
        telemetry.mark(actor=caller.actor)
        return replace(caller, source=source)

    async def _answer(
        self, method: Method, request: Message, caller: Caller, until: float, as_text: bool
    ) -> Message | bytes:
        reach = Reach.ALL if method.anonymous else caller.reach(method.permission)
        self.volume.check(caller, method.path, method.permission)
        customer = reach is Reach.CUSTOMER
        if customer:
            refuse_internal(request, method.resource_field)
        self.validate(method, request)
        request_id = self._request_id(method, request, caller)
        started = utc_now()
        try:
            for _ in range(RACES):
                work = Work(
                    self.context,
                    caller,
                    reach=reach,
                    operation=method.path,
                    request_id=request_id,
                    started=started,
                    hidden=method.internal_fields if customer else frozenset(),
                )
                try:
                    answer = await self._once(method, request, work, as_text)
                    break
                except LostRace:
                    if _etag(method, request):
                        raise StaleEtag() from None
            else:
                raise Busy()
        except (CrmError, RequestTaken) as error:
            if request_id and not isinstance(error, Unavailable):
                answered = await self._answered(method, request_id, caller, reach)
                if answered is not None:
                    return answered
            if isinstance(error, RequestTaken):
                raise RequestIdReused() from error
            raise
        if work.saga_id:
            answer = await self._after_saga(method, work, until)
        journey = getattr(answer, "journey_id", "")
        if journey:
            telemetry.mark(journey=journey)
        return answer

    async def _once(self, method: Method, request: Message, work: Work, as_text: bool) -> Message | bytes:
        result = await method.handler(request, work)
        work.prepare()
        answer: Any = None
        if as_text and isinstance(result, Page) and work.reach is not Reach.CUSTOMER:
            answer = as_text_page(result, method.answer)
        if answer is None:
            answer = as_message(result, method.answer)
            if work.reach is Reach.CUSTOMER:
                redact(answer)
        await work.commit(kept(answer, method.told_once) if work.request_id else None)
        records = len(result.rows) if isinstance(result, Page) else records_in(method.path, answer)
        self.volume.took(work.caller, method.path, work.taken or records)
        if work.tells:
            self.context.told()
        return answer

    async def _after_saga(self, method: Method, work: Work, until: float) -> Message:
        """The record as the saga left it, or as it stands when the time is up; raises what the saga was refused for."""
        refused = await self._await_saga(work.saga_id, until)
        if refused is not None:
            raise refused
        return await self._read_again(method, work.saga_subject, work.caller, work.reach)

    async def _await_saga(self, saga_id: str, until: float) -> CrmError | None:
        """Waits for the saga as long as the deadline allows; it goes on by itself afterwards."""
        running = self._sagas.begin(saga_id)
        await asyncio.wait({running}, timeout=until - SAGA_SPARE_SECONDS - asyncio.get_running_loop().time())
        return running.result() if running.done() else None

    async def _read_again(self, method: Method, name: str, caller: Caller, reach: Reach) -> Message:
        collection = name.split("/")[0]
        kind: type[Record] = next(kind for kind in self.context.mappers if kind.collection == collection)
        work = Work(self.context, caller, reach=reach, operation=method.path)
        answer = convert.to_message(await work.get(kind, name), method.answer)
        if reach is Reach.CUSTOMER:
            redact(answer)
        return answer

    async def _answered(self, method: Method, request_id: RequestId, caller: Caller, reach: Reach) -> Message | None:
        """What this request id was answered before; RequestIdReused if that was another request."""
        key = [request_id.caller, request_id.method, request_id.id]
        rows = await self.context.database.fetch(ANSWERED, key)
        if not rows:
            return None
        if rows[0]["digest"] != request_id.digest:
            raise RequestIdReused(request_id=request_id.id)
        if rows[0]["answer"] is None:
            return await self._read_again(method, rows[0]["subject"], caller, reach)
        return method.answer.FromString(rows[0]["answer"])

    def validate(self, method: Method, request: Message) -> None:
        found = violations(request)
        if found and method.resource_field:
            found = _within_mask(found, request, method.resource_field)
        if found:
            raise InvalidFields(*found)

    def _request_id(self, method: Method, request: Any, caller: Caller) -> RequestId | None:
        if not method.has_request_id or not request.request_id:
            return None
        telemetry.mark(request_id=request.request_id)
        digest = hashlib.sha256(request.SerializeToString(deterministic=True)).digest()
        who = caller.actor
        if method.anonymous:  # strangers may choose the same id: each is known by the secret they ask with
            who = hashlib.sha256(request.token.encode()).hexdigest()
        return RequestId(f"{caller.name} {who}", method.path, request.request_id, digest)


def _within_mask(found: list[tuple[str, str]], request: Any, resource: str) -> list[tuple[str, str]]:
    """An update is judged by the fields it changes: a missing display name is no fault of an update of the note."""
    mask = list(request.update_mask.paths) or convert.populated(getattr(request, resource))
    touched = {f"{resource}.{path}" for path in mask}
    return [
        (path, said)
        for path, said in found
        if not path.startswith(f"{resource}.") or path.split("[")[0] in touched or _parent(path) in touched
    ]


def _parent(path: str) -> str:
    return ".".join(path.split("[")[0].split(".")[:2])


def source_of(call: grpc.aio.ServicerContext) -> str:
    """From where a call came."""
    passed_on = dict(call.invocation_metadata() or ()).get("crm-source", "")
    return f"{passed_on} {call.peer()}".strip()[:MOST_SOURCE]


def parsed(method: Method, request: bytes) -> Message:
    try:
        return method.request.FromString(request)
    except DecodeError as wrong:
        raise NotThisMessage(message=method.request.DESCRIPTOR.full_name) from wrong


def _etag(method: Method, request: Any) -> str:
    target = getattr(request, method.resource_field) if method.resource_field else request
    return getattr(target, "etag", "")
