"""One HTTP route to one RPC and back. All that can be decided from the descriptors is decided at start-up."""

import asyncio
import uuid
from collections.abc import Callable
from typing import Any

import grpc
from chassis.wire import JSON_PAGE
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message
from starlette.types import Receive, Scope, Send

from gateway import json_text, limits
from gateway.admission import Place
from gateway.codec import Codec, Values
from gateway.contract import Rpc, Rule, is_output
from gateway.limits import ClientGone
from gateway.problems import Problem, from_rpc, not_configured
from gateway.query import Query, put
from gateway.routes import BadContract, Template
from gateway.scalars import Invalid
from gateway.tracing import Exchange
from gateway.visitors import Visitors

JSON = [
    (b"content-type", b"application/json"),
    # Answers are about people: no shared cache may keep them, and a private one asks before using its copy.
    (b"cache-control", b"private, no-cache"),
    (b"x-content-type-options", b"nosniff"),
]
# Where a link leads may change, it is counted each time, and where it led from is nobody's business.
NOT_KEPT = [(b"cache-control", b"no-store"), (b"referrer-policy", b"no-referrer")]
# Request ids are UUIDs; an Idempotency-Key that is not becomes one in this namespace, the same each time.
KEY_NAMESPACE = uuid.UUID("a3f1f6d2-6f0c-5b0e-9d53-3f6f2c8e7b11")
MAX_KEY = 255
# A caller that leaves within this time has its answer computed in vain; watching each connection would cost more.
WATCH_AFTER_SECONDS = 0.05


class Transcoder:
    """The endpoint of one google.api.http rule."""

    streams = False  # whether this is for methods with many answers, see event_stream

    def __init__(
        self, codec: Codec, rpc: Rpc, rule: Rule, channel: grpc.aio.Channel | None, visitors: Visitors | None = None
    ) -> None:
        """`channel` is None if the service's UPSTREAM setting is missing: the route then answers 503."""
        self._visitors = visitors if rpc.anonymous else None
        if rpc.client_streaming or rpc.server_streaming is not self.streams:
            raise BadContract(f"{rpc.path} streams and cannot have this HTTP route")
        self.rpc, self.rule = rpc, rule
        self._paths = {name: tuple(name.split(".")) for name in Template.parse(rule.template).variables}
        self._whole = rule.body == "*"
        self._field = "" if self._whole else rule.body
        for name, path in self._paths.items():
            if not is_text(rpc.request, path):
                raise BadContract(f"{rpc.path} has a path with {name}, which is no text field")
        taken = set(self._paths) | {self._field}
        self.query = Query(codec, rpc.request, taken, self._whole)
        self._decode = self._body_decoder(codec)
        self._body_limit = limits.BULK_BODY_BYTES if rpc.bulk else limits.BODY_BYTES
        self._etag = self._etag_path()
        self._has_key = "request_id" in rpc.request.fields_by_name
        self._unmasked = self._fields_outside_a_mask()
        self._raw = rpc.reply.full_name == "google.api.HttpBody"
        self._redirects = rpc.reply.full_name == "crm.type.v1.Redirect"
        self._encode: Any = None if self._raw or self._redirects else codec.encoder(rpc.reply)
        self._reply_has = {name: name in rpc.reply.fields_by_name for name in ("etag", "name", "journey_id")}
        self._request_class = rpc.request_class
        # Pages come as the text that goes out; from an older replica, and of what it cannot spell, as messages.
        self._paged = "next_page_token" in rpc.reply.fields_by_name
        self._call: Any = channel and getattr(channel, "unary_stream" if self.streams else "unary_unary")(
            rpc.path,
            request_serializer=rpc.request_class.SerializeToString,
            response_deserializer=text_or_message(rpc.reply_class) if self._paged else rpc.reply_class.FromString,
        )

    def _body_decoder(self, codec: Codec) -> Any:
        if self._whole:
            return codec.decoder(self.rpc.request)
        if not self._field:
            return None
        if self._field not in self.rpc.request.fields_by_name:
            raise BadContract(f"{self.rpc.path} has no field {self._field} for its body")
        return codec.field_decoder(self.rpc.request.fields_by_name[self._field])

    def _etag_path(self) -> tuple[str, ...]:
        """Where If-Match goes: the request's own etag, or that of the resource a PATCH carries; () for nowhere."""
        if "etag" in self.rpc.request.fields_by_name:
            return ("etag",)
        resource = self._resource()
        if resource is not None and self.rule.method in ("PATCH", "PUT") and "etag" in resource.fields_by_name:
            return (self._field, "etag")
        return ()

    def _resource(self) -> Any:
        """The message type of the body's field, if the body is one field and that a message."""
        field = self.rpc.request.fields_by_name.get(self._field)
        return field.message_type if field is not None and field.type == FieldDescriptor.TYPE_MESSAGE else None

    def _fields_outside_a_mask(self) -> set[str] | None:
        """For a PATCH with a mask: the fields that are never in it by being sent. None for all other routes."""
        resource = self._resource()
        if self.rule.method != "PATCH" or resource is None or "update_mask" not in self.rpc.request.fields_by_name:
            return None
        return {"name", "etag"} | {field.name for field in resource.fields if is_output(field)}

    async def __call__(self, scope: Scope, receive: Receive, send: Send, variables: dict[str, str]) -> None:
        """Answers one request; raises Problem."""
        exchange: Exchange = scope["exchange"]
        headers = dict(scope["headers"])
        try:
            call = await self._begin(scope, receive, headers, variables)
            reply = await self._reply(call, receive)
        except Problem as problem:
            if not self._redirects:
                raise
            await say(problem, exchange, send)
            return
        if exchange.span.is_recording():
            has = self._reply_has
            exchange.concerns(reply.name if has["name"] else "", reply.journey_id if has["journey_id"] else "")
        await self._send(reply, headers, exchange, send)

    async def _begin(
        self, scope: Scope, receive: Receive, headers: dict[bytes, bytes], variables: dict[str, str]
    ) -> Any:
        """The call that a request asks for, under way."""
        exchange: Exchange = scope["exchange"]
        exchange.rpc = self.rpc.path
        limits.check_head(scope["headers"], len(scope["raw_path"]) + len(scope["query_string"]))
        seconds = self._seconds(headers)
        if self._call is None:
            raise Problem(503, "SERVICE_NOT_CONFIGURED", not_configured(self.rpc.upstream), passing=False)
        if self._visitors is None:
            told = metadata(headers, exchange.traceparent)  # who does not say who he is has no body read
        else:
            told = self._visitors.welcome(scope, exchange.traceparent)
        if self._paged:
            told.append(JSON_PAGE)
        values = await self._values(scope, receive, headers, variables)
        return self._call(self._request_class(**values), timeout=seconds, metadata=told)

    def _seconds(self, headers: dict[bytes, bytes]) -> float | None:
        """How long the call may take."""
        return limits.deadline(headers)

    async def _values(
        self, scope: Scope, receive: Receive, headers: dict[bytes, bytes], variables: dict[str, str]
    ) -> Values:
        """The request message's constructor arguments, from body, query, path and headers."""
        values: Values = {}
        if self._decode is not None:
            check_content(headers)
            values = self._read_body(await self._body(scope, receive, headers))
        if scope["query_string"]:
            self.query.read(scope["query_string"], values)
        if self._unmasked is not None and values.get("update_mask") is None:
            sent = values.get(self._field) or {}
            values["update_mask"] = {
                "paths": [path for name in sent if name not in self._unmasked for path in sent_paths(name, sent[name])]
            }
        for name, path in self._paths.items():
            if not put(values, path, variables[name]):
                raise Problem.invalid(path[-1], "differs from the name in the path")
        if b"if-match" in headers:
            self._put_etag(headers[b"if-match"], values)
        if b"idempotency-key" in headers:
            self._put_key(headers[b"idempotency-key"], values)
        return values

    async def _body(self, scope: Scope, receive: Receive, headers: dict[bytes, bytes]) -> bytes:
        """The body; while it is on its way, the place is another's."""
        place: Place | None = scope.get("place")
        if place is None or not scope["cycle"]().more_body:
            return await limits.read_body(receive, headers, self._body_limit)
        place.pause()
        body = await limits.read_body(receive, headers, self._body_limit)
        await place.resume()
        return body

    def _read_body(self, body: bytes) -> Values:
        """An empty body says nothing, like {}."""
        try:
            values = self._decode(json_text.parse(body) if body else {})
        except Invalid as error:
            raise Problem.invalid(error.field, error.reason) from None
        return values if self._whole else {self._field: values}

    def _put_etag(self, raw: bytes, values: Values) -> None:
        if not self._etag:
            raise Problem.invalid("If-Match", "is not understood by this method: it has no etag")
        text = ascii_text(raw, "If-Match")
        if text == "*":
            return
        if len(text) < 3 or text[0] != '"' or text[-1] != '"' or '"' in text[1:-1]:
            raise Problem.invalid("If-Match", 'must be one strong entity tag, like "12", or *')
        if not put(values, self._etag, text[1:-1]):
            raise Problem.invalid("If-Match", "differs from the etag in the body")

    def _put_key(self, raw: bytes, values: Values) -> None:
        if not self._has_key:
            # Reading twice changes nothing, so a key there is idle; a write that ignored it would be unsafe.
            if self.rule.method == "GET":
                return
            raise Problem.invalid("Idempotency-Key", "is not understood by this method: it has no request id")
        text = ascii_text(raw, "Idempotency-Key")
        if not text or len(text) > MAX_KEY:
            raise Problem.invalid("Idempotency-Key", f"must be 1 to {MAX_KEY} printable ASCII characters")
        if not put(values, ("request_id",), request_id(text)):
            raise Problem.invalid("Idempotency-Key", "differs from the requestId in the request")

    async def _reply(self, call: grpc.aio.UnaryUnaryCall, receive: Receive) -> Any:
        """The service's answer. Raises Problem for an error, ClientGone if the caller leaves while it is computed."""
        watch = Watch(call, receive)
        try:
            return await call
        except grpc.aio.AioRpcError as error:
            raise from_rpc(error, self.rpc.upstream, self._field) from None
        except asyncio.CancelledError:
            if watch.gone:
                raise ClientGone from None
            raise
        finally:
            watch.stop()

    async def _send(self, reply: Any, headers: dict[bytes, bytes], exchange: Exchange, send: Send) -> None:
        out = [(b"traceparent", exchange.traceparent.encode()), (b"x-trace-id", exchange.trace_id.encode())]
        status = 200
        if self._redirects:
            status, body = 302, b""
            out += [(b"location", reply.location.encode("ascii")), *NOT_KEPT, (b"content-length", b"0")]
        elif self._raw:
            body = reply.data
            # A document is shown or stored, never run as part of this site.
            out += [(b"content-type", reply.content_type.encode("latin-1", "replace")), *JSON[1:]]
            out.append((b"content-security-policy", b"sandbox; default-src 'none'"))
        else:
            body = reply if isinstance(reply, bytes) else json_text.render(self._encode(reply))
            out += JSON if self._visitors is None else [JSON[0], *JSON[2:], *NOT_KEPT]
        if self._reply_has["etag"] and reply.etag.isascii() and reply.etag:
            tag = f'"{reply.etag}"'.encode()
            out.append((b"etag", tag))
            if self.rule.method == "GET" and unchanged(headers.get(b"if-none-match"), tag):
                status, body = 304, b""
        if status == 200:
            out.append((b"content-length", str(len(body)).encode()))
        exchange.status = status
        await send({"type": "http.response.start", "status": status, "headers": out})
        await send({"type": "http.response.body", "body": body})


async def say(problem: Problem, exchange: Exchange, send: Send) -> None:
    """A problem in plain words: whoever follows a link is a person with a browser."""
    exchange.status, body = problem.status, f"{problem.detail}\n".encode()
    out = [
        (b"content-type", b"text/plain; charset=utf-8"),
        *JSON[2:],
        *NOT_KEPT,
        (b"x-trace-id", exchange.trace_id.encode()),
    ]
    out += [(name.encode(), value.encode("latin-1", "replace")) for name, value in problem.headers.items()]
    out.append((b"content-length", str(len(body)).encode()))
    await send({"type": "http.response.start", "status": problem.status, "headers": out})
    await send({"type": "http.response.body", "body": body})


class Watch:
    """Cancels a call when its caller closes the connection. Starts late: most calls are over by then."""

    def __init__(self, call: grpc.aio.UnaryUnaryCall | grpc.aio.UnaryStreamCall, receive: Receive) -> None:
        self.gone = False
        self._call, self._receive = call, receive
        self._task: asyncio.Task[None] | None = None
        self._timer = asyncio.get_running_loop().call_later(WATCH_AFTER_SECONDS, self._start)

    def _start(self) -> None:
        self._task = asyncio.create_task(self._watch())

    async def _watch(self) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass
        self.gone = True
        self._call.cancel()

    def stop(self) -> None:
        self._timer.cancel()
        if self._task is not None:
            self._task.cancel()
            # What a cancelled task raised knows its frame, which knows us: with the call, its request and its body we
            # would stay until the garbage is collected.
            self._task = None


def sent_paths(name: str, value: Any) -> list[str]:
    """The paths of a mask that a field makes by being sent: of a company's own fields, each that is named in it."""
    own = isinstance(value, Message) and value.DESCRIPTOR.full_name == "google.protobuf.Struct"
    return [f"{name}.{key}" for key in value.fields] or [name] if own else [name]  # type: ignore[attr-defined]


def text_or_message(kind: type[Message]) -> Callable[[bytes], Message | bytes]:
    """Reads an answer that is either; see chassis.wire."""
    return lambda raw: raw if raw[:1] == b"{" else kind.FromString(raw)


def is_text(message: Descriptor, path: tuple[str, ...]) -> bool:
    """Whether a path of field names leads to a string, as a path's variable must."""
    *outer, last = path
    for name in outer:
        field = message.fields_by_name.get(name)
        if field is None or field.message_type is None or field.is_repeated:
            return False
        message = field.message_type
    field = message.fields_by_name.get(last)
    return field is not None and field.type == FieldDescriptor.TYPE_STRING and not field.is_repeated


def metadata(headers: dict[bytes, bytes], traceparent: str) -> list[tuple[str, str]]:
    """What goes along with the call: who calls, for whom, in which trace."""
    value = headers.get(b"authorization", b"")
    if not value:
        raise Problem(401, "UNAUTHENTICATED", "the header Authorization is missing: Bearer and a token")
    if not value.isascii() or not value.decode("ascii").isprintable():
        raise Problem(401, "UNAUTHENTICATED", "the authorization header is not ASCII text")
    out = [("traceparent", traceparent), ("authorization", value.decode("ascii"))]
    if b"crm-actor" in headers:
        out.append(("crm-actor", ascii_text(headers[b"crm-actor"], "Crm-Actor")))
    return out


def ascii_text(raw: bytes, header: str) -> str:
    """A header's value as text; raises Problem unless it is printable ASCII, the only text gRPC carries."""
    text = raw.decode("latin-1")
    if not text.isascii() or not text.isprintable():
        raise Problem.invalid(header, "must be printable ASCII")
    return text


def request_id(key: str) -> str:
    """A UUID as it is (in lower case), any other key as the UUID it always becomes."""
    try:
        return str(uuid.UUID(key)) if len(key) == 36 else str(uuid.uuid5(KEY_NAMESPACE, key))
    except ValueError:
        return str(uuid.uuid5(KEY_NAMESPACE, key))


def check_content(headers: dict[bytes, bytes]) -> None:
    """Raises Problem 415 for a body that is not plain JSON."""
    kind = headers.get(b"content-type")
    if kind is None:
        if int(headers.get(b"content-length", 0)) == 0 and b"transfer-encoding" not in headers:
            return
        raise Problem(415, "UNSUPPORTED_MEDIA_TYPE", "a body needs the header Content-Type: application/json")
    kind = kind.partition(b";")[0].strip().lower()
    if kind != b"application/json" and not (kind.startswith(b"application/") and kind.endswith(b"+json")):
        raise Problem(415, "UNSUPPORTED_MEDIA_TYPE", "the body must be application/json")
    if headers.get(b"content-encoding", b"identity") != b"identity":
        raise Problem(415, "UNSUPPORTED_MEDIA_TYPE", "the body must not be compressed")


def unchanged(header: bytes | None, tag: bytes) -> bool:
    """Whether If-None-Match names the tag; weak tags count as equal here."""
    if header is None:
        return False
    return header.strip() == b"*" or tag in [part.strip().removeprefix(b"W/") for part in header.split(b",")]
