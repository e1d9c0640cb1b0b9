"""What one lead is made of several: of each field which value survives, and why."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum
from typing import Any

from chassis.errors import FailedPrecondition, InvalidFields
from chassis.persons import GONE

from leads.domain.capture import LONGEST_NOTE
from leads.domain.lead import Lead
from leads.domain.state import OPEN, State

MOST_LABELS, MOST_EXTERNAL_IDS = 50, 20
# Fields of which one lead's value survives, by a rule.
CHOSEN = (
    *("display_name", "company", "email", "phone", "channel", "landing_page"),
    *("country", "region", "language", "product", "company_size", "material_link"),
)
# Whoever refuses to be called does so under every name.
ANY = ("do_not_call",)
# What says more of such a value comes from the same lead: a number is read with its own country.
BESIDE = {"phone": ("phone_e164",), "material_link": ("material", "shared_by")}
# Facts of all of them. A call back is promised by the earliest.
EARLIEST = ("contact_time", "mql_time", "sal_time", "sql_time", "call_back_time")
LATEST = ("last_call_time", "qualify_time", "work_time", "last_outbound_time", "last_inbound_time")
ADDED = ("call_count", "nurture_count", "recycle_count")
JOINED = ("note", "labels", "external_ids", "rejected_by", "custom")
# Who has it and how far it is: of the lead that goes on, unless another one is further.
STANDING = ("state", "owner", "team", "assign_time")
# Made of others, or of the lead that goes on alone. Every field of a lead stands in one of these; a test sees to it.
KEPT = (
    *("id", "version", "create_time", "update_time", "journey_id", "archive_time", "close_time", "disqualify_reason"),
    *("account", "contact", "opportunity", "merged_into"),
    *("nurture_until", "nurture_plan", "nurture_path", "nurture_reason"),
    *("phone_digits", "phone_e164", "wrong_phone", "match_keys", "conversion_undo_until", "undone_conversions"),
    *("material", "shared_by"),
)


class MergedTooLarge(FailedPrecondition):
    "Together the leads have more labels or external ids than one lead takes."


class Rule(Enum):
    SURVIVOR = 1
    NEWEST = 2
    FULLEST = 3
    CHOSEN = 4


class Reason(Enum):
    AGREED = 1
    ONLY_ONE = 2
    OF_SURVIVOR = 3
    OF_NEWEST = 4
    OF_FULLEST = 5
    OF_CHOSEN = 6
    JOINED = 7


@dataclass(frozen=True, kw_only=True)
class Origin:
    """Where a field's value comes from."""

    field: str
    lead: str = ""
    reason: Reason


@dataclass(frozen=True, kw_only=True)
class Survivorship:
    """The rules: one for all fields, and those of single fields, which may name the lead."""

    rule: Rule = Rule.SURVIVOR
    rules: Mapping[str, Rule] = field(default_factory=dict)
    choices: Mapping[str, str] = field(default_factory=dict)

    def check(self, leads: Sequence[Lead]) -> None:
        names = {lead.name for lead in leads}
        for name, rule in self.rules.items():
            if name not in CHOSEN:
                raise InvalidFields(("fields.field", f"{name} is none of {', '.join(CHOSEN)}"))
            if (rule is Rule.CHOSEN) != bool(self.choices.get(name)):
                raise InvalidFields(("fields.lead", f"{name}: is named with CHOSEN, and only then"))
            if rule is Rule.CHOSEN and self.choices[name] not in names:
                raise InvalidFields(("fields.lead", f"{self.choices[name]} is none of the leads"))


def survive(leads: Sequence[Lead], rules: Survivorship) -> tuple[Lead, list[Origin]]:
    """The first of the leads as it goes on, and where each value that says something comes from."""
    result, origins = deepcopy(leads[0]), []
    for name in CHOSEN:
        if found := _pick(name, leads, rules):
            source, reason = found
            setattr(result, name, getattr(source, name))
            for told in BESIDE.get(name, ()):
                setattr(result, told, getattr(source, told))
            origins.append(Origin(field=name, lead=source.name, reason=reason))
    origins += _join(result, leads)
    for names, combine in ((EARLIEST, min), (LATEST, max)):
        for name in names:
            setattr(result, name, _of_times(combine, [getattr(lead, name) for lead in leads]))
    if any(lead.wrong_phone == result.phone for lead in leads):
        result.wrong_phone = result.phone
    for name in ANY:
        setattr(result, name, any(getattr(lead, name) for lead in leads))
    for name in ADDED:
        setattr(result, name, sum(getattr(lead, name) for lead in leads))
    _stand(result, leads)
    result.normalise()
    return result, origins


def _pick(name: str, leads: Sequence[Lead], rules: Survivorship) -> tuple[Lead, Reason] | None:
    """Whose value it is; None if nobody says anything."""
    rule = rules.rules.get(name, rules.rule)
    if rule is Rule.CHOSEN:
        return next(lead for lead in leads if lead.name == rules.choices[name]), Reason.OF_CHOSEN
    say = [lead for lead in leads if getattr(lead, name) not in ("", 0, GONE)]
    if not say:
        return None
    if len(say) == 1:
        return say[0], Reason.ONLY_ONE
    if len({getattr(lead, name) for lead in say}) == 1:
        return say[0], Reason.AGREED
    newest = max(say, key=_changed)
    if rule is Rule.FULLEST:
        return max(say, key=lambda lead: (_fullness(name, lead), lead is leads[0], *_changed(lead))), Reason.OF_FULLEST
    if rule is Rule.SURVIVOR and say[0] is leads[0]:
        return say[0], Reason.OF_SURVIVOR
    return newest, Reason.OF_NEWEST


def _changed(lead: Lead) -> tuple[bool, float, str]:
    """Sorts leads by when they were last changed; one never stored was not."""
    return lead.update_time is not None, lead.update_time.timestamp() if lead.update_time else 0.0, lead.id


def _fullness(name: str, lead: Lead) -> tuple[int, int]:
    value = getattr(lead, name)
    if isinstance(value, int):
        return 0, value
    return int(name == "phone" and bool(lead.phone_e164)), len(value)


def _join(result: Lead, leads: Sequence[Lead]) -> list[Origin]:
    """What all of them say, each thing once. Of a label or a field of the company that two have, the value of the lead
    that goes on is it, or of the one named first."""
    notes = list(dict.fromkeys(lead.note for lead in leads if lead.note))
    result.note = "\n\n".join(notes)[:LONGEST_NOTE]
    result.labels = {key: value for lead in reversed(leads) for key, value in lead.labels.items()}
    result.custom = {key: value for lead in reversed(leads) for key, value in lead.custom.items()}
    result.external_ids = list(dict.fromkeys(key for lead in leads for key in lead.external_ids))
    result.rejected_by = sorted({person for lead in leads for person in lead.rejected_by})
    counts = {"labels": len(result.labels), "external_ids": len(result.external_ids)}
    if counts["labels"] > MOST_LABELS or counts["external_ids"] > MOST_EXTERNAL_IDS:
        raise MergedTooLarge(lead=result.name, **counts)
    return [_joined(name, leads) for name in ("note", "labels", "external_ids", "custom") if getattr(result, name)]


def _joined(name: str, leads: Sequence[Lead]) -> Origin:
    say = [lead for lead in leads if getattr(lead, name)]
    if len(say) == 1:
        return Origin(field=name, lead=say[0].name, reason=Reason.ONLY_ONE)
    return Origin(field=name, reason=Reason.JOINED)


def _of_times(combine: Callable[..., datetime], times: Iterable[Any]) -> datetime | None:
    known = [one for one in times if one]
    return combine(known) if known else None


def _stand(result: Lead, leads: Sequence[Lead]) -> None:
    """An open lead goes on from where the furthest of them is. Nobody loses a lead to a merge; one that nobody has is
    whose the furthest is."""
    if result.state not in OPEN:
        return
    open_ones = sorted((lead for lead in leads if lead.state in OPEN), key=lambda lead: -_rank(lead.state))
    result.state = open_ones[0].state
    owned = next((lead for lead in open_ones if lead.owner), None)
    if not result.owner and owned:
        result.owner, result.team, result.assign_time = owned.owner, owned.team, owned.assign_time
    result.rejected_by = [person for person in result.rejected_by if person != result.owner]


def _rank(state: State) -> int:
    return (State.NEW, State.ASSIGNED, State.WORKING, State.QUALIFIED).index(state)
