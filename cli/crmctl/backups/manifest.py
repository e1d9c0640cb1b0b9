"""What a backup says about itself, and whether its folder holds what it says."""

import hashlib
import re
import uuid
from collections.abc import Callable
from pathlib import Path, PurePosixPath
from typing import Annotated

import msgspec
from chassis.stack.folder import write_private
from chassis.values import new_id

from crmctl.problem import Problem

FORMAT = 1
NAME = "manifest.json"
PARTIAL = ".partial"  # what the name of an unfinished backup ends with
_CHUNK = 1024 * 1024


# What is written into SQL on the way back must be what it seems.
Uuid = Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\Z")]
Head = Annotated[str, msgspec.Meta(pattern=r"^([0-9]+:[0-9a-f]{64})?\Z")]
Revision = Annotated[str, msgspec.Meta(pattern=r"^[0-9]{4}\Z")]


class Dump(msgspec.Struct, frozen=True, kw_only=True):
    """One database: its dump (`pg_dump -Fc`) and what was in it at the moment of the cut."""

    file: str
    bytes: int
    sha256: str
    postgres: int  # server_version_num
    spine: Revision  # the newest migration of each chain
    service: Revision
    epoch: Uuid
    events: int  # rows of the outbox
    head: Head  # number:seal of the audit chain's last link; empty if there is none
    roles: list[str]  # besides the owner, who have rights on its tables


class StoredFile(msgspec.Struct, frozen=True):
    """One file, by its path in the document store and below `files/`."""

    path: str
    bytes: int
    sha256: str


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """A whole backup."""

    format: int
    id: Uuid
    cut_time: str  # ISO 8601, UTC: what was answered before is in it
    pause_seconds: float  # for which nobody could write
    databases: dict[str, Dump]
    files: list[StoredFile]
    damaged_files: list[str] = []  # whose content was not what their name says, already before the backup
    digest: str = ""  # SHA-256 of this manifest without it

    @property
    def bytes(self) -> int:
        return sum(one.bytes for one in self.databases.values()) + sum(one.bytes for one in self.files)

    def sealed(self) -> "Manifest":
        """The same with its digest."""
        return msgspec.structs.replace(self, digest=self._digest())

    def _digest(self) -> str:
        return hashlib.sha256(msgspec.json.encode(msgspec.structs.replace(self, digest=""))).hexdigest()

    def write(self, folder: Path) -> None:
        text = msgspec.json.format(msgspec.json.encode(self.sealed()), indent=2).decode()
        write_private(folder / NAME, text + "\n")

    @classmethod
    def read(cls, folder: Path) -> "Manifest":
        """Of a finished backup. Raises Problem if it is none, or none that this release understands."""
        if folder.name.endswith(PARTIAL):
            raise Problem(f"{folder} was never finished: an interrupted backup cannot be restored. Take another one.")
        try:
            text = (folder / NAME).read_bytes()
        except OSError as problem:
            raise Problem(f"{folder} is no backup: its {NAME} cannot be read ({problem.strerror}).") from None
        try:
            if msgspec.json.decode(text, type=_Format).format != FORMAT:
                raise Problem(f"{folder} has a format that this release does not know: use the release that made it.")
            found = msgspec.json.decode(text, type=cls)
        except msgspec.MsgspecError as problem:
            raise Problem(f"{folder / NAME} is damaged ({problem}). Take another backup.") from None
        if found.digest != found._digest():
            raise Problem(f"{folder / NAME} was changed since the backup was made. Take another backup.")
        return found


class _Format(msgspec.Struct):
    format: int


def verify(folder: Path, read: Callable[[int], None] = lambda _: None) -> Manifest:
    """The manifest, after every byte of the backup was compared with it. `read` is told how many bytes were.

    Raises Problem that names each file that is missing or changed."""
    manifest = Manifest.read(folder)
    wanted = [(one.file, one.bytes, one.sha256) for one in manifest.databases.values()]
    wanted += [(f"files/{one.path}", one.bytes, one.sha256) for one in manifest.files]
    wrong = [said for path, size, digest in wanted if (said := _wrong(folder, path, size, digest, read))]
    if wrong:
        more = f" (and {len(wrong) - 5} more)" if len(wrong) > 5 else ""
        raise Problem(f"{folder} is damaged: {'; '.join(wrong[:5])}{more}. Take another backup.")
    return manifest


def _wrong(folder: Path, path: str, size: int, digest: str, read: Callable[[int], None]) -> str:
    if PurePosixPath(path).is_absolute() or ".." in PurePosixPath(path).parts:
        return f"{path} does not lie in the backup"
    try:
        if (folder / path).stat().st_size != size:
            return f"{path} has {(folder / path).stat().st_size:,} bytes instead of {size:,}"
        return "" if digest_of(folder / path, read) == digest else f"{path} was changed"
    except OSError as problem:
        return f"{path} cannot be read ({problem.strerror})"


def digest_of(path: Path, read: Callable[[int], None] = lambda _: None) -> str:
    """The SHA-256 of a file, in hex."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
            read(len(chunk))
    return digest.hexdigest()


def named_by_content(path: str) -> str:
    """The SHA-256 that a document's name promises; empty for a file with another kind of name."""
    name = PurePosixPath(path).name
    return name if re.fullmatch(r"[0-9a-f]{64}", name) else ""


def later_epoch(*known: str) -> str:
    """A new epoch, later than all known ones even if this machine's clock is behind: consumers ignore an earlier."""
    fresh, last = uuid.UUID(new_id()), max((uuid.UUID(one) for one in known if one), default=uuid.UUID(int=0))
    return str(fresh if fresh > last else uuid.UUID(int=last.int + 1))
