"""The arithmetic of the audit chain: digests of what happened, and seals that each cover the one before.

A seal is SHA-256 over the previous seal, its number, the kind and id of the row, a digest of the row's metadata and a
salted digest of its content. After an erasure content and salt are gone; the digests stay, so the chain still holds.
"""

import hashlib
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import msgspec

FIRST = bytes(32)  # what the first seal covers
EVENT, ENTRY = "event", "entry"
METADATA = {
    EVENT: (
        "id", "type", "subject", "version", "journey_id", "actor", "event_time", "record_time", "traceparent",
        "causation_id", "origin", "operation", "elapsed_us", "source",
    ),
    ENTRY: ("id", "kind", "actor", "origin", "operation", "subject", "source", "traceparent", "record_time"),
}  # fmt: skip


def metadata_digest(kind: str, row: Mapping[str, Any]) -> bytes:
    """Of everything about a row of `outbox` or `audit_entry` that no erasure touches."""
    return hashlib.sha256(msgspec.json.encode([_plain(row[name]) for name in METADATA[kind]])).digest()


def content_digest(kind: str, row: Mapping[str, Any]) -> bytes:
    """Of what it says, with its salt: an event's payload, an entry's details."""
    salt = str(row["salt"] or "").encode()
    if kind == EVENT:
        return hashlib.sha256(salt + b"\n" + row["payload"]).digest()
    details = msgspec.json.encode(msgspec.json.decode(row["details"]), order="sorted")
    return hashlib.sha256(salt + b"\n" + details).digest()


def seal(previous: bytes, number: int, kind: str, row_id: str, metadata: bytes, content: bytes) -> bytes:
    """The link with this number."""
    head = f"{number} {kind} {row_id}\n".encode()
    return hashlib.sha256(previous + head + metadata + content).digest()


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat()
    return value if isinstance(value, int | None) else str(value)
