"""A person in one service: found, told and erased with every message of the stream, whatever happens meanwhile."""

import nats
import pytest
from chassis.errors import Aborted, FailedPrecondition, PermissionDenied
from chassis.personal import to_wire
from chassis.persons import Person
from chassis.values import new_id
from crm.chassis.v1 import audit_pb2, personal_pb2
from crm.leads.v1 import operations_pb2
from harness import until
from lead_calls import create, log_call, read, update
from relayed import on_the_stream, published

NAME, EMAIL, PHONE, SAID = "Мария Conceição", "maria.c@rosa.example", "+359 2 123 4567", "аритмия"


@pytest.fixture
async def leads(broker, starting):
    return await starting()


async def known(leads, **more):
    """A lead of the person with something said about them."""
    lead = await create(leads, display_name=NAME, email=EMAIL, phone=PHONE, note=SAID, **more)
    await log_call(leads, lead.name, outcome="REACHED", note=SAID)
    return lead


async def find(leads, emails=(), certain=(), **known_already):
    request = personal_pb2.FindPersonRequest(
        person=to_wire(Person(**known_already)), emails=emails, certain_emails=certain
    )
    return await leads.call("PersonalDataService/FindPerson", request)


async def erase(leads, person, erasure="", round=0):
    request = personal_pb2.ErasePersonRequest(erasure=erasure or new_id(), person=person, round=round)
    return await leads.call("PersonalDataService/ErasePerson", request, timeout=60)


async def erased(leads, person, erasure):
    """Asks until nothing is left and nothing is under way."""

    async def done():
        answer = await erase(leads, person, erasure)
        return answer if not (answer.changed or answer.waiting) else None

    return await until(done, "the erasure comes to rest")


async def holds(leads, broker, word) -> list[str]:
    """Where a word still stands: outbox, table, stream."""
    spelled = word.encode()
    places = [row["type"] for row in await leads.rows("SELECT * FROM outbox") if spelled in row["payload"]]
    places += ["leads" for row in await leads.rows("SELECT l::text AS said FROM leads l") if word in row["said"]]
    places += ["label" for row in await leads.rows("SELECT text AS said FROM label") if word in row["said"]]
    places += [f"stream {message.seq}" for message in await on_the_stream(broker) if spelled in message.data]
    return places


async def test_the_person_is_erased_from_table_outbox_and_stream(broker, leads):
    lead, other = await known(leads, labels={"said": SAID}), await create(leads, display_name="Петър", note="stays")
    await until(lambda: published(leads, 3), "published")
    before = len(await on_the_stream(broker))
    found = await find(leads, records=[lead.name])
    (call,) = await leads.rows("SELECT id FROM interactions WHERE lead = $1", lead.name)
    assert sorted(found.person.records) == [f"interactions/{call['id']}", lead.name]
    assert list(found.emails) == [EMAIL]
    erasure = new_id()
    answer = await erased(leads, found.person, erasure)
    assert (answer.counts.records, answer.counts.events, answer.counts.messages) == (2, 2, 2)
    for word in (NAME, EMAIL, PHONE, SAID):
        assert await holds(leads, broker, word) == [], word
    left = await read(leads, lead.name)
    assert (left.display_name, left.email, left.note, left.call_count) == ("(erased)", "", "", 1)
    assert await leads.events(lead.name) == ["LeadCreated", "LeadCalled", "LeadUpdated"]
    assert len(await on_the_stream(broker)) == before + 1  # each redacted event again, and the update
    assert await read(leads, other.name) == other


async def test_an_exported_file_that_may_hold_the_person_goes(broker, leads):
    lead = await known(leads)
    begun = await leads.call("LeadOperationService/StartLeadExport", operations_pb2.StartLeadExportRequest())
    name = operations_pb2.GetLeadOperationRequest(name=begun.name)

    async def exported():
        operation = await leads.call("LeadOperationService/GetLeadOperation", name)
        return operation if operation.part_count and operation.HasField("end_time") else None

    await until(exported, "the export has ended")
    answer = await erased(leads, (await find(leads, records=[lead.name])).person, new_id())
    assert answer.counts.files == 1
    assert not await leads.rows("SELECT 1 FROM operation_part")


async def test_a_redacted_event_has_its_id_and_says_by_which_erasure(broker, leads):
    lead = await known(leads)
    await until(lambda: published(leads, 2), "published")
    old = {message.headers["ce-id"]: message.seq for message in await on_the_stream(broker)}
    erasure = new_id()
    await erased(leads, (await find(leads, records=[lead.name])).person, erasure)
    new = {message.headers["ce-id"]: message for message in await on_the_stream(broker)}
    for event_id, position in old.items():
        assert new[event_id].seq > position  # within the window in which the broker drops duplicates
        assert new[event_id].headers["ce-erasure"] == erasure
    rows = await leads.rows("SELECT id::text, position, salt, erasure::text FROM outbox WHERE erasure IS NOT NULL")
    assert {(row["id"], row["position"]) for row in rows} == {(one, new[one].seq) for one in old}
    assert {(row["salt"], row["erasure"]) for row in rows} == {(None, erasure)}


async def test_the_audit_trail_verifies_and_names_the_erasure_and_nobody(leads):
    lead = await known(leads)
    await until(lambda: published(leads, 2), "published")
    erasure = new_id()
    await erased(leads, (await find(leads, records=[lead.name])).person, erasure)

    async def verified():
        answer = await leads.call("AuditService/VerifyAudit", audit_pb2.VerifyAuditRequest())
        return answer if answer.last >= 5 else None

    assert list((await until(verified, "sealed")).findings) == []
    told = audit_pb2.ListAuditEntriesRequest(subject=f"erasures/{erasure}")
    entries = (await leads.call("AuditService/ListAuditEntries", told)).entries
    assert [entry.type for entry in entries] == ["ERASED", "ERASED"]
    assert NAME not in str(entries)


async def test_a_second_call_changes_nothing_and_totals_stay(leads):
    lead = await known(leads)
    person, erasure = (await find(leads, records=[lead.name])).person, new_id()
    first = await erased(leads, person, erasure)
    again = await erase(leads, person, erasure)
    assert (again.changed, again.counts) == (0, first.counts)
    assert len(await leads.rows("SELECT 1 FROM audit_entry WHERE kind = 'ERASED'")) == 2


async def test_a_kept_answer_is_redacted_and_still_answers(leads):
    request_id = new_id()
    lead = await known(leads, request_id=request_id)
    await erased(leads, (await find(leads, records=[lead.name])).person, new_id())
    fields = {"display_name": NAME, "email": EMAIL, "phone": PHONE, "note": SAID}
    again = await create(leads, request_id=request_id, **fields)
    assert (again.name, again.display_name) == (lead.name, "(erased)")


async def test_an_import_by_the_old_key_finds_nobody(leads):
    keys = [{"system": "old", "id": "7"}]
    lead = await known(leads, external_ids=keys)
    await erased(leads, (await find(leads, records=[lead.name])).person, new_id())
    assert (await create(leads, external_ids=keys)).name != lead.name


async def test_the_same_address_is_the_same_person_only_by_the_same_name(leads):
    lead, twin = await known(leads), await create(leads, display_name=NAME.upper(), email=EMAIL)
    shares = await create(leads, display_name="Петър Колев", email=EMAIL)
    first = await find(leads, records=[lead.name])
    found = await find(leads, emails=list(first.emails), records=[lead.name], marks=_marks(first))
    assert _leads(found) == {lead.name, twin.name}
    assert list(found.similar) == [shares.name]
    assert len(found.shared) == 1
    sure = await find(leads, certain=[EMAIL.upper()])
    assert _leads(sure) == {lead.name, twin.name, shares.name}


def _leads(found):
    """The leads among the records; the call that each known one had comes along."""
    return {name for name in found.person.records if name.startswith("leads/")}


def _marks(found):
    from chassis.personal import marks_from

    return marks_from(found.person.marks)


async def test_another_record_that_mentions_the_address_is_rid_of_it(broker, leads):
    lead, other = await known(leads), await create(leads, display_name="Петър", note=f"knows {EMAIL.upper()}")
    found = await find(leads, emails=[EMAIL], records=[lead.name])
    await erased(leads, found.person, new_id())
    left = await read(leads, other.name)
    assert (left.display_name, left.note) == ("Петър", "knows (erased)")
    assert await holds(leads, broker, EMAIL.upper()) == []


async def test_a_record_that_does_not_mention_the_address_is_no_tie(leads):
    lead, other = await known(leads), await create(leads, display_name="Rosa", note=f"{NAME} is a common name")
    found = await find(leads, emails=[EMAIL], records=[lead.name])
    assert other.name.split("/")[1] not in found.person.ties
    await erased(leads, found.person, new_id())
    assert await read(leads, other.name) == other


async def test_an_erased_record_is_no_mark(leads):
    lead = await known(leads)
    first = await find(leads, records=[lead.name])
    await erased(leads, first.person, new_id())
    assert list((await find(leads, records=[lead.name])).person.marks) == []


async def test_a_copy_that_the_outbox_does_not_know_is_removed_from_the_stream(broker, leads):
    """A relay that dies between a publication and its mark publishes the event twice."""
    lead = await known(leads)
    await until(lambda: published(leads, 2), "published")
    message = (await on_the_stream(broker))[0]
    client = await nats.connect(broker.nats_url)
    headers = dict(message.headers) | {"Nats-Msg-Id": "later-than-the-window"}
    await client.jetstream().publish(message.subject, message.data, headers=headers)
    await client.close()
    assert len(await on_the_stream(broker)) == 3
    await erased(leads, (await find(leads, records=[lead.name])).person, new_id())
    assert await holds(leads, broker, NAME) == []
    assert len({message.headers["ce-id"] for message in await on_the_stream(broker)}) == 3


async def test_an_erasure_while_the_broker_is_away_is_finished_when_it_is_back(broker, leads):
    lead = await known(leads)
    await until(lambda: published(leads, 2), "published")
    person, erasure = (await find(leads, records=[lead.name])).person, new_id()
    with broker.outage("nats"):
        answer = await erase(leads, person, erasure)
        assert answer.changed
        assert (await erase(leads, person, erasure)).waiting
    await erased(leads, person, erasure)
    assert await holds(leads, broker, NAME) == []


async def test_messages_that_an_older_stream_brings_back_are_removed_again(broker, leads):
    """As after a restore of the broker's folder: the positions are known, the messages at them are not wanted."""
    lead = await known(leads)
    await until(lambda: published(leads, 2), "published")
    old = (await on_the_stream(broker))[0]
    await erased(leads, (await find(leads, records=[lead.name])).person, new_id())
    client = await nats.connect(broker.nats_url)
    headers = dict(old.headers) | {"Nats-Msg-Id": "of yesterday"}
    back = await client.jetstream().publish(old.subject, old.data, headers=headers)
    await client.close()
    # The relay remembers more than the stream has: it lost its end, and what was erased since may be back.
    await leads.rows("UPDATE relay_mark SET last_position = $1", back.seq + 100)

    async def gone():
        return not await holds(leads, broker, NAME)

    await until(gone, "the message is removed again", 30)
    await until(lambda: published(leads, 3), "published")
    assert len({message.headers["ce-id"] for message in await on_the_stream(broker)}) == 3


async def test_counting_only_changes_nothing(broker, leads):
    lead = await known(leads)
    other = await create(leads, display_name="Rosa", note=f"knows {NAME}", journey_id=lead.journey_id)
    person = (await find(leads, records=[lead.name])).person
    request = personal_pb2.ErasePersonRequest(erasure=new_id(), person=person, validate_only=True)
    answer = await leads.call("PersonalDataService/ErasePerson", request)
    assert (answer.counts.records, list(answer.touched)) == (3, [other.name])  # the lead, its call, the other
    assert answer.counts.events == 3
    assert (await read(leads, lead.name)).display_name == NAME
    assert await leads.rows("SELECT 1 FROM erasure") == []


async def test_an_update_at_the_same_time_does_not_bring_the_person_back(broker, leads):
    import asyncio

    lead = await known(leads)
    person, erasure = (await find(leads, records=[lead.name])).person, new_id()
    calls = [update(leads, lead.name, company=f"Rosa {number}") for number in range(10)]
    await asyncio.gather(erase(leads, person, erasure), *calls, return_exceptions=True)
    await erased(leads, person, erasure)
    assert await holds(leads, broker, EMAIL) == []


async def test_an_erasure_waits_for_a_saga_about_the_person(leads):
    lead = await known(leads)
    await leads.rows(
        "INSERT INTO saga (id, kind, subject, actor, traceparent, data, step, attempts, error, due_time, create_time)"
        " VALUES ($1, 'lead_conversion', $2, 'users/ana', '', $3, 0, 0, '', now() + interval '1 day', now())",
        new_id(), lead.name, f'{{"contact_display_name": "{NAME}"}}',
    )  # fmt: skip
    person = (await find(leads, records=[lead.name])).person
    with pytest.raises(Aborted):
        await erase(leads, person)
    await leads.rows("UPDATE saga SET due_time = NULL")
    await erased(leads, person, new_id())
    assert (await leads.rows("SELECT data FROM saga"))[0]["data"] == "{}"


async def test_an_export_tells_records_and_history(leads):
    lead = await known(leads)
    person = (await find(leads, records=[lead.name])).person
    answer = await leads.call("PersonalDataService/ExportPerson", personal_pb2.ExportPersonRequest(person=person))
    text = answer.found.decode()
    for word in (NAME, EMAIL, PHONE, SAID, "LeadCreated", "LeadCalled"):
        assert word in text
    assert len(await leads.rows("SELECT 1 FROM audit_entry WHERE kind = 'EXPORTED'")) == 1


@pytest.mark.parametrize("by", ["users/ana", "users/mira"])
async def test_nobody_but_the_privacy_officer_and_services_erases(leads, by):
    for method in ("FindPerson", "ExportPerson", "ErasePerson"):
        request = getattr(personal_pb2, f"{method}Request")(
            **({"erasure": new_id()} if method == "ErasePerson" else {})
        )
        with pytest.raises(PermissionDenied):
            await leads.call(f"PersonalDataService/{method}", request, by=by)


async def test_without_a_key_nothing_is_found_or_erased(broker, starting):
    leads = await starting(privacy_key=b"")
    with pytest.raises(FailedPrecondition):
        await find(leads)
