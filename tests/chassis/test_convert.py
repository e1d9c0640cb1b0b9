"""proto ↔ dataclass: what has one name on both sides is carried over, within its limits."""

import unicodedata
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from enum import Enum
from functools import partial
from typing import ClassVar

import pytest
from chassis.convert import apply_mask, civil_date, from_message, moment, money, money_message, populated, to_message
from chassis.errors import InvalidFields
from chassis.values import ExternalId, Money, new_id
from crm.leads.v1 import leads_pb2
from google.protobuf.timestamp_pb2 import Timestamp
from google.type import date_pb2, money_pb2
from hypothesis import given
from hypothesis import strategies as st
from leads.domain.lead import Lead
from leads.domain.settings import LeadSettings, Requirement

TEXT = st.text(st.characters(exclude_characters="\0", codec="utf-8")).map(partial(unicodedata.normalize, "NFC"))
TIMES = st.datetimes(timezones=st.just(UTC))
MOMENTS = st.none() | TIMES
LEADS = st.builds(
    Lead,
    display_name=TEXT.filter(bool),
    owner=TEXT,
    company=TEXT,
    email=TEXT,
    phone=TEXT,
    note=TEXT,
    channel=TEXT,
    journey_id=st.uuids().map(str),
    labels=st.dictionaries(TEXT, TEXT, max_size=3),
    external_ids=st.lists(st.builds(ExternalId, system=TEXT, kind=TEXT, id=TEXT), max_size=3),
    contact_time=MOMENTS,
)
CALLERS_FIELDS = [
    "display_name", "owner", "company", "email", "phone", "note", "channel", "journey_id", "labels", "external_ids",
    "contact_time",
]  # fmt: skip
MONEY = st.builds(
    Money, amount=st.decimals("-999999999999999", "999999999999999", places=4), currency=st.sampled_from(["EUR", "CNY"])
)


def check_about(refused: InvalidFields, field_path: str) -> None:
    assert refused.violations[0][0].startswith(field_path)


class Size(Enum):
    SMALL = 1


@dataclass
class Settings:
    """Settings whose domain knows fewer values than the contract."""

    collection: ClassVar[str] = "settings"
    qualification_checklist: list[Size] = field(default_factory=list)


@given(LEADS)
def test_what_a_caller_may_set_survives_the_way_there_and_back(lead):
    again = from_message(to_message(lead, leads_pb2.Lead), Lead)
    assert {name: getattr(again, name) for name in CALLERS_FIELDS} == {
        name: getattr(lead, name) for name in CALLERS_FIELDS
    }


@given(LEADS)
def test_a_message_survives_the_way_through_the_dataclass(lead):
    message = to_message(lead, leads_pb2.Lead)
    again = to_message(from_message(message, Lead, id=lead.id), leads_pb2.Lead)
    assert again == message


def test_name_and_etag_come_from_id_and_version():
    lead = Lead(display_name="Ana", version=7)
    message = to_message(lead, leads_pb2.Lead)
    assert (message.name, message.etag) == (f"leads/{lead.id}", "7")


def test_output_only_fields_of_a_request_are_not_read():
    request = leads_pb2.Lead(display_name="Ana", state=leads_pb2.Lead.CONVERTED, call_count=9, account="accounts/x")
    request.create_time.GetCurrentTime()
    lead = from_message(request, Lead)
    assert (lead.state.name, lead.call_count, lead.account, lead.create_time) == ("NEW", 0, "", None)


def test_text_is_stored_in_one_unicode_form():
    assert from_message(leads_pb2.Lead(display_name="Zoe\u0308"), Lead).display_name == "Zoë"


@pytest.mark.parametrize(
    "message",
    [leads_pb2.Lead(note="a\0b"), leads_pb2.Lead(labels={"a\0": "b"}), leads_pb2.Lead(external_ids=[{"id": "\0"}])],
)
def test_a_nul_character_is_refused(message):
    with pytest.raises(InvalidFields, match="NUL"):
        from_message(message, Lead, display_name="Ana")


def test_enums_are_carried_by_name():
    message = leads_pb2.LeadSettings(qualification_checklist=[leads_pb2.LeadSettings.EMAIL])
    settings = from_message(message, LeadSettings)
    assert settings.qualification_checklist == [Requirement.EMAIL]
    assert to_message(settings, leads_pb2.LeadSettings).qualification_checklist == [leads_pb2.LeadSettings.EMAIL]


@pytest.mark.parametrize("number", [0, 1, 99])
def test_an_enum_value_that_the_domain_does_not_know_is_refused(number):
    message = leads_pb2.LeadSettings(qualification_checklist=[number])
    with pytest.raises(InvalidFields) as refused:
        from_message(message, Settings)
    assert refused.value.violations[0][0] == "qualification_checklist"


def test_a_mask_sets_exactly_what_it_names():
    lead = Lead(display_name="Ana", note="old", company="Old")
    assert apply_mask(lead, leads_pb2.Lead(note="new", company="New"), ["note"]) == ["note"]
    assert (lead.note, lead.company) == ("new", "Old")


def test_a_mask_clears_what_the_message_leaves_out():
    lead = Lead(display_name="Ana", note="old", contact_time=datetime.now(UTC), labels={"a": "b"})
    apply_mask(lead, leads_pb2.Lead(), ["note", "contact_time", "labels"])
    assert (lead.note, lead.contact_time, lead.labels) == ("", None, {})


def test_a_field_set_to_what_it_was_has_not_changed():
    assert apply_mask(Lead(display_name="Ana", note="same"), leads_pb2.Lead(note="same"), ["note", "note"]) == []


def test_an_unknown_path_is_refused_with_its_place():
    with pytest.raises(InvalidFields) as refused:
        apply_mask(Lead(display_name="Ana"), leads_pb2.Lead(), ["nonsense"], "lead.")
    assert refused.value.violations[0][0] == "lead.nonsense"


def test_output_paths_are_passed_over():
    lead = Lead(display_name="Ana")
    message = leads_pb2.Lead(name="leads/x", etag="9", state=leads_pb2.Lead.CONVERTED, account="accounts/x")
    assert apply_mask(lead, message, ["name", "etag", "state", "account"]) == []


def test_an_immutable_field_cannot_change_but_may_be_repeated():
    lead = Lead(display_name="Ana", journey_id=new_id())
    assert apply_mask(lead, leads_pb2.Lead(journey_id=lead.journey_id), ["journey_id"]) == []
    with pytest.raises(InvalidFields, match="cannot be changed once set"):
        apply_mask(lead, leads_pb2.Lead(journey_id=new_id()), ["journey_id"])


def test_without_a_mask_the_populated_fields_count():
    assert populated(leads_pb2.Lead(display_name="Ana", labels={"a": "b"})) == ["display_name", "labels"]


@given(MONEY)
def test_money_survives_the_way_there_and_back(value):
    assert money(money_message(value), "amount") == value


@given(st.integers(-(2**63), 2**63 - 1), st.integers(-(2**31), 2**31 - 1), st.text(max_size=4))
def test_any_money_is_exact_or_refused(units, nanos, currency):
    try:
        value = money(money_pb2.Money(units=units, nanos=nanos, currency_code=currency), "amount")
    except InvalidFields as refused:
        check_about(refused, "amount")
    else:
        assert value.amount == Decimal(units) + Decimal(nanos) / 10**9


@pytest.mark.parametrize(
    ("given_money", "field_path"),
    [
        (money_pb2.Money(units=1, currency_code="eur"), "amount.currency_code"),
        (money_pb2.Money(units=1), "amount.currency_code"),
        (money_pb2.Money(units=1, nanos=-10_000_000, currency_code="EUR"), "amount.nanos"),
        (money_pb2.Money(units=1, nanos=10**9, currency_code="EUR"), "amount.nanos"),
        (money_pb2.Money(units=1, nanos=1, currency_code="EUR"), "amount"),
        (money_pb2.Money(units=10**15, currency_code="EUR"), "amount"),
    ],
)
def test_money_that_sql_cannot_hold_is_refused(given_money, field_path):
    with pytest.raises(InvalidFields) as refused:
        money(given_money, "amount")
    assert refused.value.violations[0][0] == field_path


@given(TIMES)
def test_a_time_survives_the_way_there_and_back(value):
    message = Timestamp()
    message.FromDatetime(value)
    assert moment(message, "win_time") == value


@given(st.integers(-(2**63), 2**63 - 1), st.integers(-(2**31), 2**31 - 1))
def test_any_timestamp_is_a_time_or_refused(seconds, nanos):
    try:
        found = moment(Timestamp(seconds=seconds, nanos=nanos), "win_time")
    except InvalidFields as refused:
        check_about(refused, "win_time")
    else:
        assert found.utcoffset() == timedelta(0)
        assert 1 <= found.year <= 9999


@given(st.dates())
def test_a_date_survives_the_way_there_and_back(value):
    assert civil_date(date_pb2.Date(year=value.year, month=value.month, day=value.day), "due_date") == value


@pytest.mark.parametrize("parts", [(2026, 2, 29), (2026, 0, 0), (0, 12, 24), (10_000, 1, 1), (-1, 1, 1)])
def test_a_date_that_is_no_full_day_is_refused(parts):
    year, month, day = parts
    with pytest.raises(InvalidFields, match="not a full calendar date"):
        civil_date(date_pb2.Date(year=year, month=month, day=day), "due_date")


def test_a_leap_day_is_a_day():
    assert civil_date(date_pb2.Date(year=2028, month=2, day=29), "due_date") == date(2028, 2, 29)
