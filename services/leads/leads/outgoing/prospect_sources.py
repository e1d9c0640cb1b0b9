"""Sources of prospects: any server that lists companies as JSON over HTTP, page by page, by a mapping that is data."""

import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from string import Formatter
from typing import Any
from urllib.parse import quote, urlsplit

from leads.domain.enrichment import found_at
from leads.domain.prospect import READERS
from leads.domain.prospect_search import CRITERIA, Place, ProspectCriteria
from leads.outgoing.outside import Call, OutsideRefused, address, ask
from leads.outgoing.providers import Misconfigured

SHAPE = (
    "PROSPECT_SOURCES is a list of {source, url, headers, body, items, next, total, fields, page_size, keep_days,"
    " currency}"
)
KEYS = {"source", "url", "headers", "body", "items", "next", "total", "fields", "page_size", "keep_days", "currency"}
SLUG, CURRENCY = re.compile("[a-z0-9_-]{1,63}"), re.compile("[A-Z]{3}")
PAGING = ("page", "cursor", "page_size")
MOST_SOURCES, MOST_ITEMS, MOST_DAYS = 100, 200, 730
ASK_SECONDS = 8.0
LONGEST_CURSOR = 2000


@dataclass(frozen=True)
class Answer:
    """A page: its items, where the next one is (None: nowhere), and how many items there are (0: not said)."""

    items: list[Any]
    next: Place | None
    total: int


@dataclass(frozen=True, repr=False)
class ProspectSource:
    """Whom to ask, how, and which field of a prospect stands where in an item. Never shown: its headers may hold a
    password."""

    source: str
    url: str  # with criteria, {page}, {cursor} and {page_size} in its path or query
    headers: Mapping[str, str]
    body: Any  # JSON in which these stand as whole texts; None: it is asked by GET
    items: str  # JSON pointers
    next: str
    total: str
    fields: Mapping[str, str]
    page_size: int
    keep_days: int
    currency: str

    @property
    def places(self) -> set[str]:
        return _in_url(self.url) | _in_body(self.body)

    @property
    def criteria(self) -> list[str]:
        """What it can be asked for."""
        return [name for name in CRITERIA if name in self.places]

    def call(self, criteria: ProspectCriteria, at: Place) -> Call:
        """The request for a page. What is not looked for is empty in the url, and left out of the body."""
        values: dict[str, Any] = {name: getattr(criteria, name) for name in CRITERIA}
        values |= {"page": at.page, "cursor": at.cursor, "page_size": self.page_size}
        url = self.url.format(**{name: quote(_joined(value), safe="") for name, value in values.items()})
        if self.body is None:
            return Call("GET", url, self.headers)
        return Call("POST", url, self.headers, _filled(self.body, values))

    async def page(self, criteria: ProspectCriteria, at: Place) -> Answer:
        """OutsideAway or OutsideRefused, if it does not answer as it was set up."""
        document = await ask(self.call(criteria, at), ASK_SECONDS)
        items = found_at(document, self.items) if self.items else document
        if items is None:
            items = []
        if not isinstance(items, list):
            raise OutsideRefused("NO_LIST")
        if len(items) > MOST_ITEMS:
            raise OutsideRefused("TOO_MANY_ITEMS")
        total = found_at(document, self.total) if self.total else 0
        total = total if isinstance(total, int) and not isinstance(total, bool) and total > 0 else 0
        return Answer(items, self._next(document, items, at), total)

    def _next(self, document: Any, items: list[Any], at: Place) -> Place | None:
        if self.next:
            told = found_at(document, self.next)
            cursor = str(told) if isinstance(told, str | int) and not isinstance(told, bool) else ""
            if len(cursor) > LONGEST_CURSOR:
                raise OutsideRefused("CURSOR_TOO_LONG")
            return Place(page=at.page + 1, cursor=cursor) if cursor and cursor != at.cursor else None
        return Place(page=at.page + 1) if items and "page" in self.places else None


def prospect_sources() -> Mapping[str, ProspectSource]:
    """As the environment says, by name. Misconfigured if it cannot be meant."""
    return _read(os.environ.get("PROSPECT_SOURCES", ""))


@lru_cache(maxsize=4)
def _read(text: str) -> Mapping[str, ProspectSource]:
    try:
        given = json.loads(text) if text else []
    except ValueError:
        raise Misconfigured("PROSPECT_SOURCES is no JSON.") from None
    if not isinstance(given, list) or not all(isinstance(one, dict) and set(one) <= KEYS for one in given):
        raise Misconfigured(f"{SHAPE}.")
    found = {one.source: one for one in map(_source, given)}
    if len(found) < len(given) or len(found) > MOST_SOURCES:
        raise Misconfigured(f"PROSPECT_SOURCES: two sources have one name, or there are more than {MOST_SOURCES}.")
    return found


def _source(given: Mapping[str, Any]) -> ProspectSource:
    name, url, headers, fields = given.get("source"), given.get("url"), given.get("headers", {}), given.get("fields")
    pointers = [given.get(one, "") for one in ("items", "next", "total")]
    if (
        not isinstance(name, str)
        or not SLUG.fullmatch(name)
        or not isinstance(url, str)
        or not isinstance(fields, dict)
        or not isinstance(headers, dict)
        or not all(isinstance(one, str) for one in headers.values())
    ):
        raise Misconfigured(f"{SHAPE}; a name is a slug.")
    if wrong := address(url) or _misplaced(url):
        raise Misconfigured(f"PROSPECT_SOURCES: the url of {name} {wrong}.")
    if not all(isinstance(one, str) and one[:1] in ("", "/") for one in (*pointers, *fields.values())):
        raise Misconfigured(f"PROSPECT_SOURCES: items, next, total and fields of {name} are JSON pointers.")
    if unknown := set(fields) - set(READERS):
        raise Misconfigured(f"PROSPECT_SOURCES: fields of {name}: {', '.join(sorted(unknown))} is none.")
    if "company" not in fields:
        raise Misconfigured(f"PROSPECT_SOURCES: fields of {name} do not say where the company stands.")
    size, days, currency = given.get("page_size", 100), given.get("keep_days", 90), given.get("currency", "EUR")
    if not _within(size, MOST_ITEMS) or not _within(days, MOST_DAYS):
        raise Misconfigured(f"PROSPECT_SOURCES: {name}: page_size is 1 to {MOST_ITEMS}, keep_days 1 to {MOST_DAYS}.")
    if not isinstance(currency, str) or not CURRENCY.fullmatch(currency):
        raise Misconfigured(f"PROSPECT_SOURCES: the currency of {name} is an ISO 4217 code.")
    items, following, total = pointers
    source = ProspectSource(
        name, url, headers, given.get("body"), items, following, total, fields, size, days, currency
    )
    if bool(source.next) != ("cursor" in source.places):
        raise Misconfigured(f"PROSPECT_SOURCES: {name} has a next and no {{cursor}}, or the other way round.")
    if not source.criteria:
        raise Misconfigured(f"PROSPECT_SOURCES: {name} can be asked for nothing: its url and body name no criterion.")
    return source


def _within(number: Any, most: int) -> bool:
    return isinstance(number, int) and not isinstance(number, bool) and 1 <= number <= most


def _misplaced(url: str) -> str:
    """What is wrong with the places in an address; empty if nothing is."""
    try:
        places = [(name, spec, how) for _, name, spec, how in Formatter().parse(url) if name is not None]
    except ValueError:
        places = [("", "", None)]
    known = {*CRITERIA, *PAGING}
    if any(name not in known or spec or how for name, spec, how in places):
        return f"may hold {', '.join(sorted(known))} in braces and no other"
    return "asks for nothing" if "{" in urlsplit(url).fragment else ""


def _in_url(url: str) -> set[str]:
    return {name for _, name, _, _ in Formatter().parse(url) if name}


def _in_body(body: Any) -> set[str]:
    """Criteria and paging that stand in a body, at any depth."""
    if isinstance(body, dict | list):
        return set().union(*map(_in_body, body.values() if isinstance(body, dict) else body))
    return {body[1:-1]} & {*CRITERIA, *PAGING} if isinstance(body, str) else set()


def _joined(value: Any) -> str:
    if isinstance(value, list):
        return ",".join(value)
    return str(value) if value else ""


def _filled(body: Any, values: Mapping[str, Any]) -> Any:
    """The body with values in their places; what is empty is left out, and what is empty then."""
    if isinstance(body, dict):
        filled = {name: _filled(one, values) for name, one in body.items()}
        return {name: one for name, one in filled.items() if one not in (None, {}, [])}
    if isinstance(body, list):
        return [one for one in (_filled(each, values) for each in body) if one not in (None, {}, [])]
    name = body[1:-1] if isinstance(body, str) and body.startswith("{") and body.endswith("}") else ""
    if name in values:
        return values[name] or None
    return body
