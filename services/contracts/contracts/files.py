"""Documents by the hash of their content, in the folder or bucket of FILES_URL.

A document is stored before the transaction that names it commits: one that no contract names does no harm, one that a
contract names and nobody has would.
"""

import hashlib
import os
from functools import cache
from pathlib import Path

import obstore
from chassis.errors import Unavailable
from chassis.settings import stop
from obstore.exceptions import AlreadyExistsError, BaseError
from obstore.store import ObjectStore, from_url

DEFAULT_FOLDER = Path(".crm/files")


class FilesAway(Unavailable):
    """The document store cannot be reached or lacks the document; try again in a moment."""


@cache
def store() -> ObjectStore:
    """The store of FILES_URL: `file:///…`, `s3://…`, `gs://…`, `az://…` or `memory:///`."""
    url = os.environ.get("FILES_URL") or DEFAULT_FOLDER.absolute().as_uri()
    try:
        return from_url(url, mkdir=True) if url.startswith("file:") else from_url(url)
    except (BaseError, ValueError, OSError) as wrong:
        stop(f"The setting FILES_URL is not a place for files: {wrong}")
        raise


async def prepare(_context: object) -> None:
    """A wrong FILES_URL is told at the start."""
    store()


async def put(content: bytes) -> str:
    """Stores a document unless it is there already; its SHA-256 in 64 hex digits."""
    content_hash = hashlib.sha256(content).hexdigest()
    try:
        await obstore.put_async(store(), _path(content_hash), content, mode="create")
    except AlreadyExistsError:
        pass  # the same bytes
    except (BaseError, OSError) as away:
        raise FilesAway(content_hash=content_hash) from away
    return content_hash


async def get(content_hash: str) -> bytes:
    try:
        found = await obstore.get_async(store(), _path(content_hash))
        return bytes(await found.bytes_async())
    except (BaseError, OSError) as away:
        raise FilesAway(content_hash=content_hash) from away


async def remove(content_hash: str) -> None:
    """Removes a document; one that is gone already is no error."""
    try:
        await obstore.delete_async(store(), _path(content_hash))
    except FileNotFoundError:
        return


def _path(content_hash: str) -> str:
    """Two levels, so that no folder grows without end."""
    return f"{content_hash[:2]}/{content_hash}"
