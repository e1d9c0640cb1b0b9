"""Materials: documents and pages that are shared, and the links by which people share them."""

import secrets
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum
from typing import ClassVar
from urllib.parse import urlencode, urlsplit, urlunsplit

from chassis.errors import FailedPrecondition, NotFound
from chassis.values import Record

# No letters that people take for another one when they read a link aloud: 31 to the power of 12 are 59 bits.
LETTERS, TOKEN_LENGTH = "abcdefghijkmnpqrstuvwxyz2345678", 12
PARAMETER = "material_link"


class NoSuchLink(NotFound):
    "This link leads nowhere: it is mistyped, or not in use any more. Ask whoever sent it to you for another one."


class MaterialArchivedAlready(FailedPrecondition):
    "The material is archived."


class MaterialNotArchived(FailedPrecondition):
    "The material is not archived."


class MaterialNotShared(FailedPrecondition):
    "The material is archived, or its time is over: it is not shared any more."


class MaterialLinkArchivedAlready(FailedPrecondition):
    "The link is withdrawn already."


class MaterialKind(Enum):
    DOCUMENT = 1
    LANDING_PAGE = 2
    VIDEO = 3


@dataclass(kw_only=True)
class Material(Record):
    """A document or page that is shared."""

    collection: ClassVar[str] = "materials"

    display_name: str
    archive_time: datetime | None = None
    kind: MaterialKind
    url: str
    language: str = ""
    expire_time: datetime | None = None

    def is_in_use(self, at: datetime) -> bool:
        return self.archive_time is None and (self.expire_time is None or at < self.expire_time)

    def archive(self, at: datetime) -> "MaterialArchived":
        if self.archive_time:
            raise MaterialArchivedAlready(material=self.name)
        self.archive_time = at
        return MaterialArchived(material=self, event_time=at)

    def restore(self, at: datetime) -> "MaterialRestored":
        if not self.archive_time:
            raise MaterialNotArchived(material=self.name)
        self.archive_time = None
        return MaterialRestored(material=self, event_time=at)


@dataclass(kw_only=True)
class MaterialLink(Record):
    """The link by which its owner shares a material; its id is the token."""

    collection: ClassVar[str] = "materialLinks"

    id: str = field(default_factory=lambda: new_token())
    owner: str
    team: str
    archive_time: datetime | None = None
    material: str

    def archive(self, at: datetime) -> "MaterialLinkArchived":
        if self.archive_time:
            raise MaterialLinkArchivedAlready(material_link=self.name)
        self.archive_time = at
        return MaterialLinkArchived(material_link=self, event_time=at)

    def leads_to(self, material: Material, at: datetime) -> str:
        """The address of the material; NoSuchLink if the link is not in use. A page learns by which link."""
        if self.archive_time or not material.is_in_use(at):
            raise NoSuchLink()
        if material.kind is not MaterialKind.LANDING_PAGE:
            return material.url
        parts = urlsplit(material.url)
        told = urlencode({PARAMETER: self.id})
        return urlunsplit(parts._replace(query=f"{parts.query}&{told}" if parts.query else told))


def new_token() -> str:
    return "".join(secrets.choice(LETTERS) for _ in range(TOKEN_LENGTH))


@dataclass(frozen=True, kw_only=True)
class MaterialCreated:
    material: Material
    event_time: datetime


@dataclass(frozen=True, kw_only=True)
class MaterialUpdated:
    material: Material
    fields: list[str]
    event_time: datetime


@dataclass(frozen=True, kw_only=True)
class MaterialArchived:
    material: Material
    event_time: datetime


@dataclass(frozen=True, kw_only=True)
class MaterialRestored:
    material: Material
    event_time: datetime


@dataclass(frozen=True, kw_only=True)
class MaterialLinkCreated:
    material_link: MaterialLink
    event_time: datetime


@dataclass(frozen=True, kw_only=True)
class MaterialLinkArchived:
    material_link: MaterialLink
    event_time: datetime
