"""Recognising a person in texts by keyed hashes, and taking them out of messages and records."""

import unicodedata

import pytest
from chassis.personal import Eraser, kinds
from chassis.persons import GONE, Mark, MarkKind, Person, Recogniser, address, fold, mark
from chassis.records import mappers
from crm.leads.v1 import events_pb2, leads_pb2
from crm.options.v1 import options_pb2
from crm.sales.v1 import events_pb2 as sales_events
from crm.sales.v1 import sales_pb2
from hypothesis import given
from hypothesis import strategies as st
from leads import tables
from leads.domain.lead import Lead

KEY = b"private"
LEAD = "leads/01922334-5566-7788-99aa-bbccddeeff00"
NAME, EMAIL, PHONE = "王小明 Conceição-Иванова", "maria@rosa.example", "+359 2 123 4567"
words = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=12)


def marks(*given: tuple[MarkKind, str]) -> list[Mark]:
    return [one for one in (mark(KEY, kind, text) for kind, text in given) if one]


def person(**more) -> Person:
    known = marks((MarkKind.NAME, NAME), (MarkKind.EMAIL, EMAIL), (MarkKind.PHONE, PHONE))
    return Person(records=[LEAD], marks=known, **more)


recogniser = Recogniser(KEY, person().marks)


@pytest.mark.parametrize(
    ("text", "left"),
    [
        (f"Call {NAME}, soon", f"Call {GONE}, soon"),
        (NAME.upper(), GONE),
        (unicodedata.normalize("NFD", f"({NAME})"), f"({GONE})"),
        (f"mail to <{EMAIL.upper()}>", f"mail to <{GONE}>"),
        ("tel. +359 (2) 123-45-67!", f"tel. {GONE}!"),
        (f"{NAME} and {NAME}", f"{GONE} and {GONE}"),
    ],
)
def test_a_mark_is_taken_out_of_a_text_however_it_is_written(text, left):
    assert recogniser.without(text) == left


@pytest.mark.parametrize(
    "text", [f"anna{EMAIL}", f"x.{EMAIL}", f"{EMAIL}s", f"{NAME}та", "+359 2 123 45678", "王小", "Conceição", ""]
)
def test_what_only_contains_a_mark_as_part_of_another_word_stays(text):
    assert recogniser.without(text) is text


def test_a_chinese_name_is_found_between_other_characters():
    chinese = Recogniser(KEY, marks((MarkKind.NAME, "王小明")))
    assert chinese.without("昨天王小明打了电话") == f"昨天{GONE}打了电话"


@pytest.mark.parametrize(("kind", "text"), [(MarkKind.NAME, "Ana"), (MarkKind.NAME, "王"), (MarkKind.PHONE, "12 34")])
def test_what_is_too_short_is_no_mark(kind, text):
    assert mark(KEY, kind, text) is None


def test_nobody_without_the_key_recognises_a_mark():
    assert Recogniser(b"another", person().marks).without(NAME) == NAME
    assert NAME.encode() not in b"".join(one.digest for one in person().marks)


@given(st.text(max_size=200))
def test_a_text_without_marks_stays_the_same_object(text):
    assert Recogniser(KEY, marks((MarkKind.NAME, "\ue000\ue001\ue002\ue003"))).without(text) is text


@given(words, words, words)
def test_a_name_between_spaces_is_always_found_and_what_is_around_it_stays(before, name, after):
    known = marks((MarkKind.NAME, name))
    text = unicodedata.normalize("NFC", f"{before} {name.strip()} {after}")
    left = Recogniser(KEY, known).without(text)
    if known:
        assert GONE in left
        assert Recogniser(KEY, known).without(left).count(GONE) >= left.count(GONE)
    else:
        assert left == text


@given(st.emails())
def test_an_address_is_the_same_in_every_case(email):
    assert address(f" {email.upper()} ") == address(email.upper().lower()) or not email.isascii()
    assert address(address(email)) == address(email)


@given(st.text(max_size=50))
def test_folding_keeps_every_character_in_its_place(text):
    assert len(fold(text)) == len(unicodedata.normalize("NFC", text))


# ---- messages


def test_a_record_of_the_person_loses_every_personal_field_and_no_other():
    lead = leads_pb2.Lead(
        name=LEAD, display_name=NAME, email=EMAIL, phone=PHONE, company="Rosa", note="ill", labels={"a": "b"},
        external_ids=[{"system": "erp", "id": "7"}], channel="channels/mail", call_count=3,
    )  # fmt: skip
    kept = {item.name for item, _ in lead.ListFields() if not item.GetOptions().Extensions[options_pb2.personal]}
    event = events_pb2.LeadCalled(lead=lead, note="hoarse", outcome="REACHED")
    assert Eraser(KEY, person()).message(event)
    assert event.lead.display_name == GONE
    assert (event.lead.email, event.lead.phone, event.lead.note, event.note) == ("", "", "", "")
    assert not event.lead.labels
    assert not event.lead.external_ids
    assert event.outcome == events_pb2.LeadCalled(outcome="REACHED").outcome
    for name in kept:
        assert getattr(event.lead, name) == getattr(lead, name)


def test_redacting_again_changes_nothing():
    event = events_pb2.LeadCalled(lead={"name": LEAD, "display_name": NAME}, note="hoarse")
    eraser = Eraser(KEY, person())
    assert eraser.message(event)
    assert not eraser.message(event)


def test_of_others_only_the_marks_in_texts_are_replaced():
    deal = sales_pb2.Opportunity(name="opportunities/1", display_name=f"Deal with {NAME}", owner="users/ana")
    event = sales_events.OpportunityWon(opportunity=deal, note="thanks", account_display_name=NAME)
    assert Eraser(KEY, person()).message(event)
    assert event.opportunity.display_name == f"Deal with {GONE}"
    assert (event.account_display_name, event.note, event.opportunity.owner) == (GONE, "thanks", "users/ana")


def test_a_namesake_and_whoever_shares_an_address_keep_theirs():
    other = leads_pb2.Lead(name="leads/other", display_name=NAME, email=EMAIL, note=f"not {NAME}")
    event = events_pb2.LeadCreated(lead=other)
    assert Eraser(KEY, person()).message(event)
    assert (event.lead.display_name, event.lead.email, event.lead.note) == (NAME, EMAIL, f"not {GONE}")


def test_a_key_that_names_the_person_goes_and_other_keys_stay():
    keys = [{"system": "fair", "id": EMAIL}, {"system": "erp", "id": "7"}]
    account = sales_pb2.Account(name="accounts/1", display_name="Rosa", external_ids=keys)
    event = sales_events.AccountCreated(account=account)
    assert Eraser(KEY, person()).message(event)
    assert [key.id for key in event.account.external_ids] == ["7"]


def test_what_is_retained_stays_as_it_is():
    deal = sales_pb2.Order(name="orders/1", system="erp", erp_state=NAME)
    event = sales_events.OrderRecorded(order=deal)
    assert not Eraser(KEY, person(retained=["orders/1"])).message(event)
    assert Eraser(KEY, person()).message(event)


def test_fields_this_release_does_not_know_go_with_the_rest():
    known = events_pb2.LeadCreated(lead={"name": LEAD})
    newer = known.SerializeToString() + b"\xfa\x07" + bytes([len(NAME.encode())]) + NAME.encode()
    event = events_pb2.LeadCreated.FromString(newer)
    assert Eraser(KEY, person()).message(event)
    assert event.SerializeToString() == events_pb2.LeadCreated(lead={"name": LEAD}).SerializeToString() or (
        NAME.encode() not in event.SerializeToString()
    )


# ---- records


def test_a_stored_record_is_blanked_as_its_message_is():
    (kind,) = [kind for kind in kinds("leads", mappers(tables.RECORDS)) if kind.record is Lead]
    lead = Lead(id=LEAD[6:], display_name=NAME, email=EMAIL, phone=PHONE, company="Rosa", labels={"a": "b"})
    lead.normalise()
    changed = Eraser(KEY, person()).record(lead, kind)
    assert set(changed) == {"display_name", "email", "phone", "phone_digits", "match_keys", "labels"}
    assert (lead.display_name, lead.email, lead.phone_digits, lead.company) == (GONE, "", "", "Rosa")
    assert lead.match_keys == ["c:rs"]
    assert Eraser(KEY, person()).record(lead, kind) == []
