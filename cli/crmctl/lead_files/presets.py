"""What the lead exports of other products call their columns, and how their rows become ours.

A column is known by any of its names (as labels and as the product's own field names), whatever the case. What a preset
does not know is passed over and named, and may be mapped by hand like every other column.
"""

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from crmctl.lead_files.columns import LINE, REASON
from crmctl.problem import Problem

KEY = "key"
STATUS, SOURCE, OLD_OWNER = "label:old_status", "label:source", "label:old_owner"
TIME = re.compile(r"(\d{4}-\d\d-\d\d)(?:[ T](\d\d:\d\d)(:\d\d)?(?:\.\d+)?(Z|\+00:?00)?)?")
OPEN, WORKING, QUALIFIED, CLOSED, CONVERTED, LATER = "open", "working", "qualified", "closed", "converted", "later"


class Owners:
    """The people of the suite, by e-mail address and by name."""

    def __init__(self, users: Iterable[Mapping[str, Any]]) -> None:
        self._known: dict[str, str] = {}
        names = Counter(_folded(user["displayName"]) for user in users)
        for user in users:
            if user.get("state", "ACTIVE") != "ACTIVE":
                continue
            if names[_folded(user["displayName"])] == 1:  # of two people of one name nobody knows which
                self._known[_folded(user["displayName"])] = user["name"]
        for user in users:
            if user.get("email") and user.get("state", "ACTIVE") == "ACTIVE":
                self._known[_folded(user["email"])] = user["name"]

    def named(self, text: str) -> str:
        """`users/...`; empty if it is nobody's address or name, or that of several."""
        return self._known.get(_folded(text), "")


@dataclass(frozen=True)
class Preset:
    """One product. `fields`: ours → its names, the first that has something counts; `statuses`: its words → ours."""

    system: str
    fields: Mapping[str, tuple[str, ...]]
    given_name: tuple[str, ...] = ()
    family_name: tuple[str, ...] = ()
    statuses: Mapping[str, str] = field(default_factory=dict)

    def read(self, header: Iterable[str], mapped: Mapping[str, str], owners: Owners) -> "Rewriting":
        """Raises Problem if the file is none of this product's."""
        return Rewriting(self, list(header), mapped, owners)


class Rewriting:
    """A file's rows as rows that are called as ours."""

    def __init__(self, preset: Preset, header: list[str], mapped: Mapping[str, str], owners: Owners) -> None:
        self._preset, self._owners = preset, owners
        by_name = {_folded(name): name for name in header if name not in mapped}
        find = lambda names: [by_name[_folded(name)] for name in names if _folded(name) in by_name]  # noqa: E731
        self._sources = {ours: found for ours, names in preset.fields.items() if (found := find(names))}
        self._parts = {"given_name": find(preset.given_name)[:1], "family_name": find(preset.family_name)[:1]}
        self._names = [name for names in self._parts.values() for name in names]
        self._mapped = [name for name in header if name in mapped]
        self.key = KEY if KEY in self._sources else ""
        if not self._names and "display_name" not in self._sources and "display_name" not in mapped.values():
            raise Problem(f"This is no export of {preset.system}: no column has the lead's name. There are: "
                          f"{', '.join(header)}.")  # fmt: skip
        taken = {name for names in self._sources.values() for name in names} | {*self._names, *self._mapped}
        self.passed_over = [name for name in header if name not in taken and name not in (LINE, REASON)]
        made = ["display_name", *self._sources, *([OLD_OWNER] if "owner" in self._sources else [])]
        self.header = [*self._mapped, *(name for name in dict.fromkeys(made) if name not in mapped.values())]

    def row(self, cells: Mapping[str, str]) -> dict[str, str]:
        """The row with our columns."""
        found = {ours: _first(cells, names) for ours, names in self._sources.items()}
        name = " ".join(part for column in self._names if (part := cells[column].strip()))
        found["display_name"] = name or found.get("display_name", "") or _first(found, ["company", "email", "phone"])
        if "owner" in found:
            found[OLD_OWNER], found["owner"] = found["owner"][:255], self._owners.named(found["owner"])
            if found["owner"]:
                found[OLD_OWNER] = ""
        if STATUS in found:
            found[STATUS] = self._preset.statuses.get(_folded(found[STATUS]), found[STATUS])[:255]
        if SOURCE in found:
            found[SOURCE] = found[SOURCE][:255]
        if "contact_time" in found:
            found["contact_time"] = _time(found["contact_time"])
        return {name: cells[name] if name in self._mapped else found.get(name, "") for name in self.header}

    def mapping(self) -> dict[str, Any]:
        """The same as a mapping that the suite keeps. It knows no addresses of people: owners stay a label."""
        sources = self._parts | self._sources
        key = sources.pop(KEY, [""])[0]
        columns = []
        for ours, names in sources.items():
            words = {"words": dict(self._preset.statuses)} if ours == STATUS else {}
            columns += [{"column": name, "field": OLD_OWNER if ours == "owner" else ours} | words for name in names]
        return {"columns": columns, "keyColumn": key, "system": self._preset.system}


def _first(cells: Mapping[str, str], names: Iterable[str]) -> str:
    return next((text for name in names if (text := cells.get(name, "").strip())), "")


def _folded(text: str) -> str:
    return " ".join(text.casefold().split())


def _time(text: str) -> str:
    """A moment in UTC as the API takes it. Another spelling stays, and is refused: 1/2/2024 is two different days."""
    found = TIME.fullmatch(text)
    if found is None or not found[2]:
        return text
    return f"{found[1]}T{found[2]}{found[3] or ':00'}Z"


PRESETS = {
    "hubspot": Preset(
        system="hubspot",
        fields={
            KEY: ("Record ID", "Record ID - Contact", "Contact ID", "hs_object_id"),
            "email": ("Email", "Email address", "Work email"),
            "phone": ("Phone Number", "phone", "Mobile Phone Number", "mobilephone"),
            "company": ("Company Name", "Company", "Associated Company", "Primary Associated Company"),
            "owner": ("Contact owner", "HubSpot Owner", "hubspot_owner_id"),
            "note": ("Message", "Notes"),
            "contact_time": ("Create Date", "createdate"),
            STATUS: ("Lead Status", "hs_lead_status", "Lifecycle Stage", "lifecyclestage"),
            SOURCE: ("Original Source", "Original Traffic Source", "hs_analytics_source"),
            "label:job_title": ("Job Title", "jobtitle"),
            "label:country": ("Country/Region", "Country"),
        },
        given_name=("First Name", "firstname"),
        family_name=("Last Name", "lastname"),
        statuses={
            "new": OPEN, "open": OPEN, "in progress": WORKING, "in_progress": WORKING, "open deal": QUALIFIED,
            "open_deal": QUALIFIED, "connected": WORKING, "attempted to contact": WORKING,
            "attempted_to_contact": WORKING, "unqualified": CLOSED, "bad timing": LATER, "bad_timing": LATER,
            "lead": OPEN, "subscriber": OPEN, "marketing qualified lead": WORKING, "marketingqualifiedlead": WORKING,
            "sales qualified lead": QUALIFIED, "salesqualifiedlead": QUALIFIED, "opportunity": CONVERTED,
            "customer": CONVERTED,
        },
    ),
    "salesforce": Preset(
        system="salesforce",
        fields={
            KEY: ("Lead ID", "Id"),
            "display_name": ("Name", "Full Name"),
            "email": ("Email",),
            "phone": ("Phone", "Mobile", "MobilePhone"),
            "company": ("Company", "Company / Account"),
            "owner": ("Lead Owner Email", "Owner.Email", "Lead Owner", "Owner.Name"),
            "note": ("Description",),
            "contact_time": ("Create Date", "Created Date", "CreatedDate"),
            STATUS: ("Lead Status", "Status"),
            SOURCE: ("Lead Source", "LeadSource"),
            "label:job_title": ("Title",),
            "label:country": ("Country",),
            "label:industry": ("Industry",),
        },
        given_name=("First Name", "FirstName"),
        family_name=("Last Name", "LastName"),
        statuses={
            "open - not contacted": OPEN, "new": OPEN, "open": OPEN, "working - contacted": WORKING,
            "contacted": WORKING, "working": WORKING, "nurturing": LATER, "qualified": QUALIFIED,
            "closed - converted": CONVERTED, "closed - not converted": CLOSED, "unqualified": CLOSED,
        },
    ),
    "odoo": Preset(
        system="odoo",
        fields={
            KEY: ("External ID", "id", "ID"),
            "display_name": ("Contact Name", "contact_name", "Opportunity", "name"),
            "email": ("Email", "email_from"),
            "phone": ("Phone", "phone", "Mobile", "mobile"),
            "company": ("Company Name", "partner_name", "Customer"),
            "owner": ("Salesperson/Email", "user_id/login", "Salesperson", "user_id"),
            "note": ("Notes", "Internal Notes", "description"),
            "contact_time": ("Created on", "create_date"),
            STATUS: ("Stage", "stage_id"),
            SOURCE: ("Source", "source_id", "Medium", "medium_id"),
            "label:campaign": ("Campaign", "campaign_id"),
            "label:job_title": ("Job Position", "function"),
            "label:country": ("Country", "country_id"),
            "label:tags": ("Tags", "tag_ids"),
        },
        statuses={"new": OPEN, "qualified": QUALIFIED, "proposition": QUALIFIED, "won": CONVERTED, "lost": CLOSED},
    ),
    "suitecrm": Preset(
        system="suitecrm",
        fields={
            KEY: ("ID", "id"),
            "email": ("Email Address", "email1", "email_address", "Email"),
            "phone": ("Office Phone", "phone_work", "Mobile", "phone_mobile", "Home Phone", "phone_home"),
            "company": ("Account Name", "account_name"),
            "owner": ("Assigned to", "Assigned User Name", "assigned_user_name"),
            "note": ("Description", "description"),
            "contact_time": ("Date Created", "date_entered"),
            STATUS: ("Status", "status"),
            SOURCE: ("Lead Source", "lead_source"),
            "label:job_title": ("Title", "title"),
            "label:country": ("Primary Address Country", "primary_address_country"),
        },
        given_name=("First Name", "first_name"),
        family_name=("Last Name", "last_name"),
        statuses={
            "new": OPEN, "assigned": OPEN, "in process": WORKING, "converted": CONVERTED, "recycled": LATER,
            "dead": CLOSED,
        },
    ),
}  # fmt: skip
