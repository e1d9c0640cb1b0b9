"""Errors ↔ gRPC statuses: the error tree as google.rpc.Status with ErrorInfo, and back."""

import grpc
from google.protobuf import duration_pb2
from google.rpc import code_pb2, error_details_pb2, status_pb2
from grpc_status import rpc_status

from chassis.errors import CrmError, InvalidFields, by_code

DOMAIN = "crm"
RETRY_SECONDS = 1
# An error travels in headers, and a client refuses headers of more than 8 KB: what does not fit stays untold.
MESSAGE_BYTES, VALUE_BYTES, VIOLATIONS_BYTES = 500, 200, 2000
RETRYABLE = ("UNAVAILABLE", "RESOURCE_EXHAUSTED")


def to_status(error: CrmError) -> grpc.Status:
    """The status a caller gets: code, message, reason with metadata, field violations, when to try again."""
    status = status_pb2.Status(code=code_pb2.Code.Value(error.code), message=_cut(error.message, MESSAGE_BYTES))
    metadata = {key: _cut(value, VALUE_BYTES) for key, value in error.metadata.items()}
    info = error_details_pb2.ErrorInfo(reason=error.reason, domain=DOMAIN, metadata=metadata)
    status.details.add().Pack(info)
    if error.violations:
        request = error_details_pb2.BadRequest()
        for field, said in error.violations:
            request.field_violations.add(field=_cut(field, VALUE_BYTES), description=_cut(said, VALUE_BYTES))
            if request.ByteSize() > VIOLATIONS_BYTES:
                break
        status.details.add().Pack(request)
    if error.code in RETRYABLE:
        delay = duration_pb2.Duration(seconds=RETRY_SECONDS)
        status.details.add().Pack(error_details_pb2.RetryInfo(retry_delay=delay))
    return rpc_status.to_status(status)


def _cut(text: str, size: int) -> str:
    """The beginning of a text, at most `size` bytes of UTF-8."""
    encoded = text.encode()
    return text if len(encoded) <= size else encoded[: size - 3].decode(errors="ignore") + "…"


def from_call(error: grpc.RpcError) -> CrmError:
    """What a neighbour answered, as an error of the same code that keeps the neighbour's reason."""
    code = error.code().name  # type: ignore[attr-defined]
    status = rpc_status.from_call(error)
    violations: list[tuple[str, str]] = []
    metadata: dict[str, str] = {}
    for detail in status.details if status else ():
        if detail.Is(error_details_pb2.BadRequest.DESCRIPTOR):
            request = error_details_pb2.BadRequest.FromString(detail.value)
            violations += [(item.field, item.description) for item in request.field_violations]
        elif detail.Is(error_details_pb2.ErrorInfo.DESCRIPTOR):
            info = error_details_pb2.ErrorInfo.FromString(detail.value)
            metadata = {**info.metadata, "reason": info.reason}
    kind = InvalidFields if violations else by_code(code)
    return kind(*violations, **(metadata or {"detail": error.details() or ""}))  # type: ignore[attr-defined]
