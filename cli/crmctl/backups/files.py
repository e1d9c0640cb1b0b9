"""Copies of the document store: every file by its path, with its digest."""

import asyncio
import hashlib
import os
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

import obstore
from chassis.stack.supervisor import together
from obstore.exceptions import AlreadyExistsError, BaseError, NotFoundError
from obstore.store import ObjectStore, from_url

from crmctl.backups.manifest import StoredFile, named_by_content
from crmctl.problem import Problem

_AT_ONCE = 8


def store(url: str) -> ObjectStore:
    """The store of a FILES_URL. Raises Problem."""
    try:
        return from_url(url, mkdir=True) if url.startswith("file:") else from_url(url)
    except (BaseError, ValueError, OSError) as wrong:
        raise Problem(f"The setting FILES_URL is not a place for files: {wrong}") from None


async def copy_out(url: str, folder: Path, copied: Callable[[int], None]) -> tuple[list[StoredFile], list[str]]:
    """Copies all files into `folder`: what was copied, and which of them do not hold what their name promises.

    `copied` is told the bytes of each. No URL, no files. Raises Problem if the store cannot be read."""
    if not url:
        return [], []
    source, places = store(url), asyncio.Semaphore(_AT_ONCE)

    async def one(path: str) -> StoredFile | None:
        async with places:
            try:
                content = bytes(await (await obstore.get_async(source, path)).bytes_async())
            except (NotFoundError, FileNotFoundError):
                return None  # erased in this moment
        target = folder / path
        await asyncio.to_thread(_write, target, content)
        copied(len(content))
        return StoredFile(path, len(content), hashlib.sha256(content).hexdigest())

    try:
        paths = [meta["path"] async for batch in obstore.list(source) for meta in batch]
        found = [file for file in await together(one(path) for path in sorted(paths)) if file is not None]
    except (BaseError, OSError) as away:
        raise Problem(f"The files cannot be copied: {away}") from None
    return found, [one.path for one in found if named_by_content(one.path) not in ("", one.sha256)]


def _write(target: Path, content: bytes) -> None:
    target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with os.fdopen(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(content)
        os.fsync(file.fileno())


async def copy_in(folder: Path, files: Sequence[StoredFile], url: str, copied: Callable[[int], None]) -> None:
    """Copies files into the store; one that is there already stays. Raises Problem if the store cannot be written."""
    target, places = store(url), asyncio.Semaphore(_AT_ONCE)

    async def one(file: StoredFile) -> None:
        async with places:
            content = await asyncio.to_thread((folder / file.path).read_bytes)
            with suppress(AlreadyExistsError):  # named by its content
                await obstore.put_async(target, file.path, content, mode="create")
        copied(len(content))

    try:
        await together(one(file) for file in files)
    except (BaseError, OSError) as away:
        raise Problem(f"The files cannot be stored: {away}") from None
