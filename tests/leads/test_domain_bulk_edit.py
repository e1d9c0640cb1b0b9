"""The rules of bulk edits, without any server."""

from copy import deepcopy
from datetime import UTC, datetime, timedelta

import pytest
from chassis.errors import InvalidFields
from hypothesis import given
from hypothesis import strategies as st
from leads.domain.bulk_edit import (
    BulkEditNotStarted,
    BulkEditUndone,
    BulkEditUndoOver,
    BulkValues,
    Item,
    LeadBulkEdit,
    Outcome,
    PreviewNotWhole,
    PreviewTooOld,
    check_fields,
    difference,
    give_back,
    labelled,
    populated,
    refuse,
    said_by,
)
from leads.domain.lead import Lead
from leads.domain.state import LIVE, LeadArchivedAlready, LeadClosed, LeadConverting, LeadMergedAway, State

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
TEXTS = st.sampled_from(["", "Роза ООД", "李明", "João"])
LABELS = st.dictionaries(st.sampled_from(["fair", "размер", "a.b"]), st.sampled_from(["", "1", "голям"]))
CUSTOM = st.dictionaries(
    st.sampled_from(["tier", "budget", "agreed"]), st.sampled_from(["gold", 1, 0, True, False, 1.5, ["a", "b"]])
)
SAYING = {"company": TEXTS, "note": TEXTS, "company_size": st.integers(0, 3), "labels": LABELS, "custom": CUSTOM}
LEADS = st.fixed_dictionaries(SAYING).map(lambda said: Lead(display_name="Ана", **said))


def changed_into(lead: Lead, other: Lead) -> tuple[Lead, Item]:
    """The lead as it says what the other does, and the item that remembers it."""
    made = deepcopy(lead)
    for name in SAYING:
        setattr(made, name, deepcopy(getattr(other, name)))
    before, after = difference(said_by(lead), said_by(made))
    return made, Item(lead_id=lead.id, before=before, after=after)


@given(LEADS, LEADS)
def test_taking_back_what_nothing_followed_leaves_no_trace(lead, other):
    made, item = changed_into(lead, other)
    assert give_back(made, item) == []
    assert made == lead


@given(LEADS, LEADS, LEADS)
def test_what_somebody_changed_since_stays_and_the_rest_is_given_back(lead, other, later):
    edited, item = changed_into(lead, other)
    since, _ = changed_into(edited, later)
    theirs, ours = difference(said_by(edited), said_by(since))
    touched = {*theirs, *ours}
    told = said_by(since)
    left = give_back(since, item)
    assert set(left) == touched & {*item.before, *item.after}
    expected = {path: value for path, value in told.items() if path in touched or path not in item.after}
    expected |= {path: value for path, value in item.before.items() if path not in touched}
    assert said_by(since) == expected


def test_one_and_true_are_two_values():
    assert difference({"custom.a": 1}, {"custom.a": True}) == ({"custom.a": 1}, {"custom.a": True})


def test_labels_are_set_and_taken_away_each_by_itself():
    lead = Lead(display_name="Ана", labels={"old": "1", "size": "large", "a.b": "x"})
    values = BulkValues(labels={"fair": "2026", "size": "small"})
    paths = ["labels.fair", "labels.size", "labels.old", "labels.a.b", "labels.never"]
    assert labelled(lead, values, paths) == {"fair": "2026", "size": "small"}
    assert lead.labels == {"old": "1", "size": "large", "a.b": "x"}
    assert populated(values) == ["labels.fair", "labels.size"]


def test_a_lead_gets_no_more_labels_than_it_may_have():
    full = Lead(display_name="Ана", labels={f"k{number}": "v" for number in range(50)})
    with pytest.raises(InvalidFields):
        labelled(full, BulkValues(labels={"more": "1"}), ["labels.more"])
    assert len(labelled(full, BulkValues(labels={"more": "1"}), ["labels.more", "labels.k0"])) == 50


@pytest.mark.parametrize("path", ["company", "labels", "labels.Größe", "custom", "custom.tier", "company_size"])
def test_what_many_leads_may_share_can_be_set_in_bulk(path):
    check_fields([path])


@pytest.mark.parametrize(
    "path", ["email", "display_name", "phone", "owner", "state", "labels.", "custom.", "note.x", "contact_time", ""]
)
def test_what_says_who_one_lead_is_cannot(path):
    with pytest.raises(InvalidFields):
        check_fields(["company", path])


@pytest.mark.parametrize("state", State)
def test_which_leads_are_refused_by_their_state(state):
    lead = Lead(display_name="Ана", state=state)
    expected = {
        State.CONVERTING: LeadConverting, State.CONVERTED: LeadClosed, State.DISQUALIFIED: LeadClosed,
        State.MERGED: LeadMergedAway,
    }  # fmt: skip
    assert (state in LIVE) == (state not in expected)
    if state in LIVE:
        refuse(lead, include_closed=False)
    else:
        with pytest.raises(expected[state]):
            refuse(lead, include_closed=False)
    if state is State.MERGED:
        with pytest.raises(LeadMergedAway):
            refuse(lead, include_closed=True)
    else:
        refuse(lead, include_closed=True)


def test_an_archived_lead_counts_as_closed():
    lead = Lead(display_name="Ана", archive_time=NOW)
    with pytest.raises(LeadArchivedAlready):
        refuse(lead, include_closed=False)
    refuse(lead, include_closed=True)


def test_an_edit_goes_from_preview_to_change_to_undo():
    edit = LeadBulkEdit(owner="users/ana", team="")
    with pytest.raises(PreviewNotWhole):
        edit.start("leadOperations/1", NOW)
    with pytest.raises(BulkEditNotStarted):
        edit.undo("leadOperations/1", NOW)
    edit.preview_time = NOW
    with pytest.raises(PreviewTooOld):
        edit.start("leadOperations/1", NOW + timedelta(days=1, seconds=1))
    edit.start("leadOperations/1", NOW + timedelta(days=1))
    edit.start("leadOperations/2", NOW + timedelta(days=5))  # it was cancelled: the rest
    assert edit.start_time == NOW + timedelta(days=1)
    assert edit.undo_until == NOW + timedelta(days=31)
    with pytest.raises(BulkEditUndoOver):
        edit.undo("leadOperations/3", NOW + timedelta(days=31, seconds=1))
    edit.undo("leadOperations/3", NOW + timedelta(days=31))
    with pytest.raises(BulkEditUndone):
        edit.start("leadOperations/4", NOW)


def test_refusals_are_counted_by_reason_most_first():
    edit = LeadBulkEdit(owner="users/ana", team="")
    outcomes = [Item(lead_id="1", outcome=Outcome.REFUSED, reason="A")]
    outcomes += [Item(lead_id="2", outcome=Outcome.REFUSED, reason="B") for _ in range(2)]
    outcomes += [
        Item(lead_id="3", outcome=Outcome.UNDONE, left_fields=["note"]),
        Item(lead_id="4", outcome=Outcome.LEFT),
    ]
    edit.count(outcomes)
    assert [(one.reason, one.leads) for one in edit.refusals] == [("B", 2), ("A", 1)]
    assert (edit.refused, edit.undone, edit.left) == (3, 1, 2)
    edit.count([Item(lead_id="5", outcome=Outcome.LEFT, reason="C") for _ in range(3)])
    edit.take_up({"": 1, "C": 3})
    assert ([one.reason for one in edit.refusals], edit.left) == (["B", "A"], 1)
