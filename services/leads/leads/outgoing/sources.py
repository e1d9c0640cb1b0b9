"""Sources of facts about companies: any server that answers JSON over HTTP, by a mapping that is data."""

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from string import Formatter
from typing import Any
from urllib.parse import quote, urlsplit

from leads.domain.enrichment import FREE_MAIL, OWN_DATA, PERSON, known, pointed
from leads.domain.lead import Lead
from leads.outgoing.outside import Call, address, ask
from leads.outgoing.providers import Misconfigured

SHAPE = "ENRICHMENT_SOURCES is a list of {source, url, headers, fields, ttl_hours, on_create}"
KEYS = {"source", "url", "headers", "fields", "ttl_hours", "on_create"}
PLACES = {"company", "domain", "country", "region"}
MOST_HOURS = 24 * 30


@dataclass(frozen=True, repr=False)
class Source:
    """Whom to ask, what about, and which of the lead's fields stands where in the answer. Never shown: its headers may
    hold a password."""

    source: str
    url: str  # with {company}, {domain}, {country}, {region} in its path or query
    headers: Mapping[str, str]
    fields: Mapping[str, str]  # the lead's field → JSON pointer
    ttl_hours: int
    on_create: bool

    def address_for(self, lead: Lead) -> str:
        """What is asked about a lead; empty if it does not say enough. Nothing of a person is told."""
        domain = lead.email.rpartition("@")[2].lower()
        facts = {"company": lead.company, "country": lead.country, "region": lead.region}
        facts["domain"] = "" if domain in FREE_MAIL else domain
        needed = {name for _, name, _, _ in Formatter().parse(self.url) if name}
        if any(not facts[name] for name in needed):
            return ""
        return self.url.format(**{name: quote(facts[name], safe="") for name in needed})

    def key(self, url: str) -> str:
        """What an answer is kept by."""
        return hashlib.sha256(f"{self.source} {url}".encode()).hexdigest()

    async def values(self, url: str, seconds: float) -> dict[str, str]:
        """What it says: the lead's field → text. OutsideAway or OutsideRefused."""
        document = await ask(Call("GET", url, self.headers), seconds)
        return {name: value for name, pointer in self.fields.items() if (value := pointed(document, pointer))}


def sources() -> tuple[Source, ...]:
    """As the environment says, in the order in which they are believed. Misconfigured if it cannot be meant."""
    return _read(os.environ.get("ENRICHMENT_SOURCES", ""))


@lru_cache(maxsize=4)
def _read(text: str) -> tuple[Source, ...]:
    try:
        given = json.loads(text) if text else []
    except ValueError:
        raise Misconfigured("ENRICHMENT_SOURCES is no JSON.") from None
    if not isinstance(given, list) or not all(isinstance(one, dict) and set(one) <= KEYS for one in given):
        raise Misconfigured(f"{SHAPE}.")
    found = tuple(_source(one) for one in given)
    if len({one.source for one in found}) < len(found):
        raise Misconfigured("ENRICHMENT_SOURCES: two sources have one name.")
    return found


def _source(given: Mapping[str, Any]) -> Source:
    name, url, fields = given.get("source"), given.get("url"), given.get("fields")
    headers, hours = given.get("headers", {}), given.get("ttl_hours", 24)
    texts = isinstance(headers, dict) and all(isinstance(one, str) for one in headers.values())
    if (
        not isinstance(name, str)
        or name in ("", PERSON, OWN_DATA)
        or not isinstance(url, str)
        or not isinstance(fields, dict)
        or not texts
    ):
        raise Misconfigured(f"{SHAPE}.")
    if not isinstance(hours, int) or not 1 <= hours <= MOST_HOURS:
        raise Misconfigured(f"ENRICHMENT_SOURCES: ttl_hours of {name} is 1 to {MOST_HOURS}.")
    if wrong := address(url) or _misplaced(url):
        raise Misconfigured(f"ENRICHMENT_SOURCES: the url of {name} {wrong}.")
    for field, pointer in fields.items():
        if not known(field) or not isinstance(pointer, str) or not pointer.startswith("/"):
            raise Misconfigured(f"ENRICHMENT_SOURCES: fields of {name}: {field} is none, or has no JSON pointer.")
    return Source(name, url, headers, fields, hours, given.get("on_create") is True)


def _misplaced(url: str) -> str:
    """What is wrong with the places in an address; empty if nothing is."""
    try:
        places = [(name, spec, how) for _, name, spec, how in Formatter().parse(url) if name is not None]
    except ValueError:
        places = [("", "", None)]
    if any(name not in PLACES or spec or how for name, spec, how in places):
        return f"may hold {', '.join(sorted(PLACES))} in braces and no other"
    if "{" in urlsplit(url).fragment:
        return "asks for nothing"
    return ""
