"""Reactions that only say what is to be written: a run of events leaves what each alone would have left."""

from dataclasses import replace
from itertools import pairwise

import pytest
from chassis.events import Event, Keep, Reaction
from chassis.inbox import Inbox
from chassis.values import new_id
from crm.leads.v1 import events_pb2 as leads_events
from harness import arrived
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

PUT = (
    "INSERT INTO external_id (collection, system, kind, key, record_id)"
    " VALUES ('noted', 'test', '', $1::text, $2::text)"
    " ON CONFLICT (collection, system, kind, key) DO UPDATE SET record_id = excluded.record_id"
)
SEEN = "SELECT key, record_id FROM external_id WHERE collection = 'noted' AND key = any($1::text[]) ORDER BY key"


def note(message: leads_events.LeadCreated, event: Event):
    """What the lead is called, unless it has no name."""
    return (PUT, event.subject, message.lead.display_name) if message.lead.display_name else None


async def look(_: leads_events.LeadCreated, work) -> None:
    """Reads what was noted before, and writes it down twice."""
    rows = await work.connection.fetch(SEEN, [work.event.subject])
    told = ",".join(row["record_id"] for row in rows)
    await work.execute(PUT, f"{work.event.subject} seen", told)


def told(subject: str, name: str, version: int = 1) -> Event:
    event = leads_events.LeadCreated(lead={"name": subject, "display_name": name})
    return arrived(event, version=version)


@pytest.fixture
def inbox(leads):
    """An inbox of the service's database with the reactions of this test."""

    def made(*reactions: Reaction) -> Inbox:
        return Inbox(leads.process.context, reactions)

    return made


async def seen(leads, *subjects: str) -> dict[str, str]:
    return {row["key"]: row["record_id"] for row in await leads.rows(SEEN, subjects)}


async def test_what_is_noted_is_written(leads, inbox):
    subjects = [f"leads/{new_id()}" for _ in range(3)]
    events = [told(subject, f"Number {number}") for number, subject in enumerate(subjects)]
    assert await inbox(Reaction((), Keep.EVERY, note)).apply_together(events) == 3
    assert await seen(leads, *subjects) == {subject: f"Number {number}" for number, subject in enumerate(subjects)}


async def test_who_has_nothing_to_note_writes_nothing(leads, inbox):
    subject = f"leads/{new_id()}"
    assert await inbox(Reaction((), Keep.EVERY, note)).apply_together([told(subject, "")]) == 1
    assert await seen(leads, subject) == {}


async def test_a_reaction_that_reads_finds_what_was_noted_before_it(leads, inbox):
    subject = f"leads/{new_id()}"
    both = inbox(Reaction((), Keep.EVERY, note), Reaction((), Keep.EVERY, look))
    await both.apply_together([told(subject, "Ida"), told(subject, "Ana")])
    assert await seen(leads, f"{subject} seen") == {f"{subject} seen": "Ana"}


async def test_of_a_run_that_fails_nothing_is_noted(leads, inbox):
    async def fail(message, work) -> None:
        raise ValueError("it is not to be")

    subject = f"leads/{new_id()}"
    failing = inbox(Reaction((), Keep.EVERY, note), Reaction((), Keep.EVERY, fail))
    with pytest.raises(ValueError, match="not to be"):
        await failing.apply_together([told(subject, "Ida"), told(subject, "Ana")])
    assert await seen(leads, subject) == {}


async def test_who_chooses_its_subjects_is_asked_once_for_a_run_and_hears_of_those_alone(leads, inbox):
    subjects = sorted(f"leads/{new_id()}" for _ in range(3))
    chosen, heard = subjects[1], []
    asked = f"SELECT subject FROM unnest($1::text[]) AS told(subject) WHERE subject = '{chosen}'"

    async def hear(message: leads_events.LeadCreated, work) -> None:
        heard.append(work.event.subject)

    some = inbox(Reaction((), Keep.EVERY, hear, among=asked))
    assert await some.apply_together([told(subject, "Ida") for subject in subjects]) == 3
    assert heard == [chosen]
    noting = inbox(Reaction((), Keep.LATEST, note, among=asked))
    await noting.apply_together([told(subject, "Ida", 2) for subject in subjects])
    assert await seen(leads, *subjects) == {chosen: "Ida"}


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    versions=st.lists(st.tuples(st.integers(0, 2), st.integers(1, 9)), min_size=1, max_size=12),
    cuts=st.sets(st.integers(1, 11)),
)
async def test_the_latest_wins_however_events_are_divided_into_runs(leads, inbox, versions, cuts):
    """Each event: of which of three records, and its version. The first of equals counts."""
    subjects = [f"leads/{new_id()}" for _ in range(3)]
    events = [told(subjects[which], f"v{version} #{n}", version) for n, (which, version) in enumerate(versions)]
    expected: dict[str, Event] = {}
    for event in events:
        if event.subject not in expected or event.outdates(expected[event.subject]):
            expected[event.subject] = event
    latest = inbox(Reaction((), Keep.LATEST, note))
    bounds = [0, *sorted(cut for cut in cuts if cut < len(events)), len(events)]
    for start, end in pairwise(bounds):
        await latest.apply_together(events[start:end])
    names = {subject: event.message.lead.display_name for subject, event in expected.items()}
    assert await seen(leads, *subjects) == names


async def test_of_a_later_epoch_an_older_version_wins(leads, inbox):
    subject, later = f"leads/{new_id()}", "00000000-0000-7000-8000-000000000002"
    restored = replace(told(subject, "as it was restored", 1), epoch=later)
    await inbox(Reaction((), Keep.LATEST, note)).apply_together([restored, told(subject, "before", 7)])
    assert await seen(leads, subject) == {subject: "as it was restored"}
