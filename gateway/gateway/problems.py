"""Errors as application/problem+json (RFC 9457): what went wrong, where, why, and the trace to look it up by."""

from http import HTTPStatus
from typing import Any

import grpc
from google.rpc import error_details_pb2, status_pb2

from gateway.json_text import render
from gateway.wellknown import camel

# HTTP status by gRPC code, as grpc-gateway maps them. But what a service cancels may be tried again.
STATUS = {
    grpc.StatusCode.CANCELLED: 503,
    grpc.StatusCode.UNKNOWN: 500,
    grpc.StatusCode.INVALID_ARGUMENT: 400,
    grpc.StatusCode.DEADLINE_EXCEEDED: 504,
    grpc.StatusCode.NOT_FOUND: 404,
    grpc.StatusCode.ALREADY_EXISTS: 409,
    grpc.StatusCode.PERMISSION_DENIED: 403,
    grpc.StatusCode.RESOURCE_EXHAUSTED: 429,
    grpc.StatusCode.FAILED_PRECONDITION: 400,
    grpc.StatusCode.ABORTED: 409,
    grpc.StatusCode.OUT_OF_RANGE: 400,
    grpc.StatusCode.UNIMPLEMENTED: 501,
    grpc.StatusCode.INTERNAL: 500,
    grpc.StatusCode.UNAVAILABLE: 503,
    grpc.StatusCode.DATA_LOSS: 500,
    grpc.StatusCode.UNAUTHENTICATED: 401,
}
UNKNOWN = "whether it did what was asked is not known: repeat the call with the same request id, or look"
# gRPC's own words for a call that never left, since there was no connection.
NEVER_LEFT = ("connections to all backends failing", "failed to connect to all addresses")
# What to say for codes whose text, when a service did not choose it, would describe our inside.
PLAIN = {
    grpc.StatusCode.DEADLINE_EXCEEDED: f"the service {{upstream}} did not answer in time; {UNKNOWN}",
    grpc.StatusCode.INTERNAL: "the service {upstream} failed; the trace id finds the reason",
    grpc.StatusCode.UNKNOWN: "the service {upstream} failed; the trace id finds the reason",
}
RETRY_AFTER_SECONDS = 1
STATUS_DETAILS = "grpc-status-details-bin"


class Problem(Exception):
    """An answer that is an error. `violations` are (field in the caller's spelling, reason)."""

    def __init__(
        self,
        status: int,
        reason: str,
        detail: str,
        *,
        violations: list[tuple[str, str]] | None = None,
        metadata: dict[str, str] | None = None,
        headers: dict[str, str] | None = None,
        passing: bool = True,
    ) -> None:
        """With `passing=False` a caller is not told to try again."""
        super().__init__(detail)
        self.status, self.reason, self.detail = status, reason, detail
        self.violations, self.metadata = violations or [], metadata or {}
        self.headers = dict(headers or {})
        if status in (429, 503) and passing:
            self.headers.setdefault("retry-after", str(RETRY_AFTER_SECONDS))
        if status == 401:
            self.headers.setdefault("www-authenticate", 'Bearer realm="crm"')

    def body(self, trace_id: str) -> bytes:
        """The JSON document."""
        document: dict[str, Any] = {
            "type": f"urn:crm:problem:{self.reason}",
            "title": title(self.status),
            "status": self.status,
            "detail": self.detail,
            "reason": self.reason,
            "violations": [{"field": field, "reason": reason} for field, reason in self.violations],
            "metadata": self.metadata,
            "traceId": trace_id,
        }
        return render(document)

    @classmethod
    def invalid(cls, field: str, reason: str) -> "Problem":
        """400 about one field of what the caller sent; "" is the whole of it."""
        detail = f"{field} {reason}" if field else reason
        return cls(400, "INVALID_ARGUMENT", detail, violations=[(field, reason)])

    @classmethod
    def no_such_path(cls, path: str) -> "Problem":
        return cls(404, "NO_SUCH_PATH", f"nothing is served at {path[:200]}; see /docs")

    @classmethod
    def method_not_allowed(cls, method: str, allowed: list[str]) -> "Problem":
        names = ", ".join(allowed)
        return cls(405, "METHOD_NOT_ALLOWED", f"{method} is not {names}", headers={"allow": names})

    @classmethod
    def internal(cls) -> "Problem":
        return cls(500, "INTERNAL", "the gateway failed; the trace id finds the reason")


def title(status: int) -> str:
    """The name of an HTTP status; 499 (the caller went away) is not in the standard's list."""
    return "Client Closed Request" if status == 499 else HTTPStatus(status).phrase


def not_configured(upstream: str) -> str:
    return f"the service {upstream} is not part of this installation (the gateway has no UPSTREAM_{upstream.upper()})"


def broken_off(error: grpc.aio.AioRpcError, upstream: str) -> tuple[str, str] | None:
    """Reason and text if the service gave no answer of its own: either the call never left, or nobody knows."""
    if error.code() not in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED):
        return None
    if STATUS_DETAILS in dict(error.trailing_metadata() or ()):
        return None
    if (error.details() or "").startswith(NEVER_LEFT):
        return "SERVICE_AWAY", f"the service {upstream} cannot be reached, so nothing was done; try again"
    return "ANSWER_LOST", f"the service {upstream} broke off before it answered; {UNKNOWN}"


def from_rpc(error: grpc.aio.AioRpcError, upstream: str, body_field: str) -> Problem:
    """What a service answered, with paths as the REST caller knows them (without the body's own field)."""
    code, text = error.code(), error.details() or ""
    # Said by our own side of the channel, which tells it from a quota only by its words.
    if code is grpc.StatusCode.RESOURCE_EXHAUSTED and "message larger than max" in text:
        return Problem(400, "MESSAGE_TOO_LARGE", "the request or its answer is too large; ask for less at a time")
    if broken := broken_off(error, upstream):
        return Problem(503, *broken)
    trailing = dict(error.trailing_metadata() or ())
    reason, metadata, violations, headers = code.name, {}, [], {}
    if STATUS_DETAILS in trailing:
        info, bad, retry = details(trailing[STATUS_DETAILS])
        reason, metadata = info.reason or reason, dict(info.metadata)
        violations = [(shown(v.field, body_field), v.description or v.reason) for v in bad.field_violations]
        if retry.HasField("retry_delay"):
            headers["retry-after"] = str(max(retry.retry_delay.seconds, RETRY_AFTER_SECONDS))
    elif code in PLAIN:
        text = PLAIN[code].format(upstream=upstream)
    return Problem(STATUS[code], reason, text, violations=violations, metadata=metadata, headers=headers)


def details(
    raw: bytes,
) -> tuple[error_details_pb2.ErrorInfo, error_details_pb2.BadRequest, error_details_pb2.RetryInfo]:
    """The details of a google.rpc.Status that have a meaning in REST; empty messages for those it has not."""
    found = (error_details_pb2.ErrorInfo(), error_details_pb2.BadRequest(), error_details_pb2.RetryInfo())
    for detail in status_pb2.Status.FromString(raw).details:
        for message in found:
            detail.Unpack(message)
    return found


def shown(field: str, body_field: str) -> str:
    """`lead.external_ids[0].id` as the caller wrote it: `externalIds[0].id`."""
    field = field.removeprefix(f"{body_field}.") if body_field else field
    ours, custom, slug = f".{field}".partition(".custom.")
    return camel(ours)[1:] + custom[0 if ours else 1 :] + slug  # a company's own fields are called as it calls them
