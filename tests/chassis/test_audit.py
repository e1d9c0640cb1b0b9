"""The audit trail: who did what, when, from where, the values before and after; and no way to rewrite it unseen."""

import asyncpg
import pytest
from chassis.audit import COLUMNS, MOST_PER_MINUTE
from chassis.audit_log import changes
from chassis.errors import InvalidFields, NotFound, PermissionDenied, Unauthenticated
from chassis.values import new_id
from crm.chassis.v1 import audit_pb2, chassis_pb2
from crm.directory.v1 import directory_pb2
from crm.leads.v1 import leads_pb2
from harness import Person, until
from lead_calls import create

Kind = audit_pb2.AuditEntry.Kind


@pytest.fixture
async def service(broker, starting):
    """A leads service of this test alone."""
    return await starting()


@pytest.fixture
async def owner(service):
    """Its database's owner, who may do to it what no service may."""
    connection = await asyncpg.connect(service.database.owner_url)
    yield connection
    await connection.close()


async def entries(service, **asked):
    request = audit_pb2.ListAuditEntriesRequest(**asked)
    return list((await service.call("AuditService/ListAuditEntries", request)).entries)


async def kinds(service, count: int, **asked) -> list[str]:
    """The kinds of the entries, newest first, when there are so many."""

    async def enough():
        found = await entries(service, **asked)
        return found if len(found) >= count else None

    return [Kind.Name(entry.kind) for entry in await until(enough, f"{count} entries of {asked}")]


async def verified(service) -> audit_pb2.VerifyAuditResponse:
    return await service.call("AuditService/VerifyAudit", audit_pb2.VerifyAuditRequest())


async def sealed(service, count: int) -> None:
    async def enough():
        return (await service.rows("SELECT count(*) AS n FROM audit_seal"))[0]["n"] >= count

    await until(enough, f"{count} seals")


# ---- what is told


async def test_a_change_is_told_with_its_values_before_and_after(service):
    made = await create(service, display_name="Mária")
    changed = leads_pb2.Lead(name=made.name, display_name="Мария")
    request = leads_pb2.UpdateLeadRequest(lead=changed)
    await service.call("LeadService/UpdateLead", request, by="users/root", metadata=(("crm-source", "203.0.113.9"),))
    await kinds(service, 2, subject=made.name)
    newest, first = await entries(service, subject=made.name)
    assert (newest.type, newest.actor, newest.operation) == (
        "LeadUpdated", "users/root", "crm.leads.v1.LeadService/UpdateLead",
    )  # fmt: skip
    assert newest.source.startswith("203.0.113.9 ipv4:127.0.0.1")
    assert [(one.field, one.before, one.after) for one in newest.changes] == [("displayName", '"Mária"', '"Мария"')]
    assert {one.field: one.before for one in first.changes}["displayName"] == ""


async def test_what_an_actor_did_is_found_with_the_values_before(service):
    one, other = await create(service, display_name="One"), await create(service, display_name="Other")
    for made in (one, other):
        changed = leads_pb2.Lead(name=made.name, display_name="New")
        await service.call("LeadService/UpdateLead", leads_pb2.UpdateLeadRequest(lead=changed), by="users/root")
    await kinds(service, 4, actor="users/root")
    found = await entries(service, actor="users/root")
    assert [(entry.subject, entry.changes[0].before) for entry in found[:2]] == [
        (other.name, '"Other"'), (one.name, '"One"'),
    ]  # fmt: skip


async def test_who_gave_which_role_is_told_with_the_roles_before(broker, starting):
    directory = await starting("directory")
    person = directory_pb2.User(display_name="Ана Петрова", roles=["salesperson"])
    made = await directory.call("DirectoryService/CreateUser", directory_pb2.CreateUserRequest(user=person))
    changed = directory_pb2.User(name=made.name, roles=["sales_manager"])
    request = directory_pb2.UpdateUserRequest(user=changed)
    await directory.call("DirectoryService/UpdateUser", request, by="users/root")
    await kinds(directory, 2, subject=made.name)
    newest = (await entries(directory, subject=made.name))[0]
    assert (newest.type, newest.actor) == ("UserUpdated", "users/root")
    assert [(one.field, one.before, one.after) for one in newest.changes] == [
        ("roles", '["salesperson"]', '["sales_manager"]'),
    ]  # fmt: skip


async def test_entries_continue_where_a_page_ended(service):
    made = await create(service)
    for number in range(4):
        changed = leads_pb2.Lead(name=made.name, display_name=f"Name {number}")
        await service.call("LeadService/UpdateLead", leads_pb2.UpdateLeadRequest(lead=changed))
    await kinds(service, 5, subject=made.name)
    everything = [entry.number for entry in await entries(service, subject=made.name)]
    first = await entries(service, subject=made.name, page_size=2)
    second = await entries(service, subject=made.name, page_size=10, before=first[-1].number)
    assert [entry.number for entry in [*first, *second]] == everything


def test_values_about_a_person_are_for_those_who_may_see_them():
    before, after = leads_pb2.Lead(email="a@example.org", state="NEW"), leads_pb2.Lead(email="", state="QUALIFIED")
    shown = {one.field: (one.before, one.after) for one in changes(before, after, personal=True)}
    hidden = {one.field: (one.before, one.after) for one in changes(before, after, personal=False)}
    assert shown["email"] == ('"a@example.org"', "")
    assert hidden["email"] == ("…", "")
    assert hidden["state"] == ('"NEW"', '"QUALIFIED"')


async def test_a_question_about_nobody_is_refused(service):
    with pytest.raises(InvalidFields):
        await entries(service)


async def test_the_trail_is_not_for_salespeople(service):
    with pytest.raises(PermissionDenied):
        await service.call(
            "AuditService/ListAuditEntries", audit_pb2.ListAuditEntriesRequest(actor="x"), by="users/ana"
        )


# ---- what was refused


async def test_a_refused_call_is_told_with_its_reason(service):
    with pytest.raises(PermissionDenied):
        await service.call("LeadService/GetLeadSettings", leads_pb2.GetLeadSettingsRequest(), by="users/erik")
    assert await kinds(service, 1, actor="users/erik") == ["DENIED"]
    entry = (await entries(service, actor="users/erik"))[0]
    assert (entry.operation, entry.details) == (
        "crm.leads.v1.LeadService/GetLeadSettings", '{"reason": "NOT_PERMITTED"}',
    )  # fmt: skip


async def test_a_look_at_what_is_invisible_is_told(service):
    made = await create(service, owner="users/boris")
    with pytest.raises(NotFound):
        await service.call("LeadService/GetLead", leads_pb2.GetLeadRequest(name=made.name), by="users/chen")
    assert await kinds(service, 3, subject=made.name) == ["DENIED", "CHANGED", "CHANGED"]  # made, assigned
    nobody = leads_pb2.GetLeadRequest(name=f"leads/{new_id()}")
    with pytest.raises(NotFound):
        await service.call("LeadService/GetLead", nobody, by="users/chen")
    assert len(await entries(service, actor="users/chen")) == 1


async def test_somebody_who_was_deactivated_is_told(service):
    with pytest.raises(Unauthenticated):
        await service.call("LeadService/ListLeads", leads_pb2.ListLeadsRequest(), by="users/gone")
    assert await kinds(service, 1, actor="users/gone") == ["DENIED"]


async def test_a_storm_of_refusals_is_counted_and_not_kept_one_by_one(service):
    await service.know(Person("users/storm", ()))
    for _ in range(MOST_PER_MINUTE + 40):
        with pytest.raises(PermissionDenied):
            await service.call("LeadService/ListLeads", leads_pb2.ListLeadsRequest(), by="users/storm")

    async def counted():
        rows = await service.rows(
            "SELECT kind, count(*) AS n, sum((details->>'refusals')::int) AS more FROM audit_entry"
            " WHERE actor = 'users/storm' GROUP BY kind ORDER BY kind"
        )
        return {row["kind"]: row["more"] or row["n"] for row in rows}

    expected = {"DENIED": MOST_PER_MINUTE, "NOT_RECORDED": 40}
    assert await until(lambda: _equal(counted, expected), "the refusals beyond the bound are counted")


async def _equal(fact, expected):
    return await fact() == expected


async def test_a_discarded_dead_letter_is_told_with_its_reason(service, owner):
    event = new_id()
    await owner.execute(
        "INSERT INTO dead_letter (event_id, type, subject, headers, payload, error, trace_id, deliveries, create_time)"
        " VALUES ($1::uuid, 'crm.directory.v1.TeamCreated', 'teams/x', '{}', '', 'Boom', '', 6, now())", event,
    )  # fmt: skip
    request = chassis_pb2.DiscardDeadLetterRequest(event_id=event, reason="a test team")
    await service.call("EventLogService/DiscardDeadLetter", request, by="users/root")
    assert await kinds(service, 1, subject="teams/x") == ["DISCARDED"]
    entry = (await entries(service, subject="teams/x"))[0]
    assert entry.actor == "users/root"
    assert '"reason": "a test team"' in entry.details


# ---- the chain


async def history(service) -> list[str]:
    """Three leads, all sealed; their names."""
    names = [(await create(service)).name for _ in range(3)]
    await sealed(service, 3)
    return names


async def test_an_untouched_chain_is_whole(service):
    await history(service)
    answer = await verified(service)
    assert list(answer.findings) == []
    assert (answer.checked_to, answer.done, len(answer.seal)) == (3, True, 64)


async def test_a_chain_is_verified_in_parts(service):
    await history(service)
    part = await service.call("AuditService/VerifyAudit", audit_pb2.VerifyAuditRequest(limit=2))
    rest = await service.call("AuditService/VerifyAudit", audit_pb2.VerifyAuditRequest(after=2, limit=2))
    assert (part.checked_to, part.done, rest.checked_to, rest.done) == (2, False, 3, True)
    assert [*part.findings, *rest.findings] == []


@pytest.mark.parametrize(
    ("tampering", "finding"),
    [
        ("DELETE FROM outbox WHERE id = (SELECT id FROM audit_seal WHERE number = 2)", "the row was removed"),
        ("UPDATE outbox SET payload = payload || '\\x00' WHERE subject = $1", "its content was changed"),
        ("UPDATE outbox SET actor = 'users/eve' WHERE subject = $1", "who, when or what was changed"),
        ("UPDATE outbox SET event_time = event_time - interval '1 day' WHERE subject = $1", "who, when or what"),
        ("UPDATE outbox SET salt = NULL WHERE subject = $1", "its content was changed"),
        ("UPDATE audit_seal SET actor = 'users/eve' WHERE subject = $1", "who, when or what was changed"),
        ("UPDATE audit_seal SET seal = sha256(seal) WHERE number = 2", "links were changed or reordered"),
        ("DELETE FROM audit_seal WHERE number = 2", "numbers 2 to 2 were removed"),
        ("UPDATE audit_seal SET number = 7 - number WHERE number > 1", "were removed from the chain"),
        ("SELECT erase_event(id, '', gen_random_uuid()) FROM outbox WHERE subject = $1", "that nobody recorded"),
    ],
)
async def test_tampering_is_noticed(service, owner, tampering, finding):
    names = await history(service)
    await owner.execute(tampering, *([names[1]] if "$1" in tampering else []))
    findings = list((await verified(service)).findings)
    assert any(finding in said for said in findings), findings


async def test_two_events_that_change_places_are_noticed(service, owner):
    await history(service)
    await owner.execute("UPDATE audit_seal SET number = 100 WHERE number = 1")
    await owner.execute("UPDATE audit_seal SET number = 1 WHERE number = 2")
    await owner.execute("UPDATE audit_seal SET number = 2 WHERE number = 100")
    assert any("reordered" in said for said in (await verified(service)).findings)


async def test_an_event_behind_the_relays_back_is_noticed(service, owner):
    await history(service)
    await owner.execute(
        "INSERT INTO outbox SELECT (r).* FROM (SELECT jsonb_populate_record(o, jsonb_build_object('id', $1::uuid,"
        " 'record_time', now() - interval '2 minutes')) AS r FROM outbox o LIMIT 1) forged", new_id(),
    )  # fmt: skip
    assert any("was never sealed" in said for said in (await verified(service)).findings)


async def test_an_erasure_that_is_recorded_leaves_the_chain_whole(service, owner):
    names, erasure = await history(service), new_id()
    await owner.execute("SELECT erase_event(id, '', $1::uuid) FROM outbox WHERE subject = $2", erasure, names[1])
    await owner.execute(
        f"INSERT INTO audit_entry ({COLUMNS})"
        " VALUES ($1::uuid, 'ERASED', 'users/root', 'users/root', '', $2, '', '', now(), $3::jsonb)",
        new_id(), names[1], f'{{"erasure": "{erasure}"}}',
    )  # fmt: skip
    await sealed(service, 4)
    answer = await verified(service)
    assert list(answer.findings) == []
    assert answer.checked_to == 4


async def test_an_event_that_is_published_again_is_sealed_once(service, owner):
    await history(service)
    await owner.execute("UPDATE outbox SET position = NULL")

    async def published():
        return not await service.rows("SELECT 1 FROM outbox WHERE position IS NULL")

    await until(published, "all are published again")
    assert (await service.rows("SELECT count(*) AS n FROM audit_seal"))[0]["n"] == 3
    assert list((await verified(service)).findings) == []


async def test_entries_are_sealed_though_nats_was_never_there(starting):
    service = await starting(nats_url="nats://127.0.0.1:1")
    with pytest.raises(PermissionDenied):
        await service.call(
            "AuditService/ListAuditEntries", audit_pb2.ListAuditEntriesRequest(actor="x"), by="users/ana"
        )
    await sealed(service, 1)


async def test_what_an_earlier_release_published_is_sealed_at_the_next_start(service, owner, starting):
    await history(service)
    await service.stop()
    await owner.execute("DELETE FROM audit_seal")
    again = await starting(database=service.database)
    await sealed(again, 3)
    assert list((await verified(again)).findings) == []


# ---- nobody rewrites the past


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE outbox SET payload = ''",
        "UPDATE outbox SET actor = 'users/eve'",
        "UPDATE outbox_default SET actor = 'users/eve'",
        "DELETE FROM outbox",
        "DELETE FROM outbox_default",
        "TRUNCATE outbox",
        "UPDATE audit_entry SET actor = 'users/eve'",
        "DELETE FROM audit_entry",
        "UPDATE audit_seal SET seal = ''",
        "DELETE FROM audit_seal",
        "TRUNCATE audit_seal",
        "INSERT INTO epoch VALUES (gen_random_uuid())",
        "DELETE FROM epoch",
        "ALTER TABLE outbox ADD COLUMN mine text",
        "SELECT protect_history()",
    ],
)
async def test_the_data_role_cannot(service, statement):
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await service.rows(statement)


async def test_every_partition_of_the_outbox_is_closed_to_the_data_role(service):
    rows = await service.rows(
        "SELECT c.relname FROM pg_class c WHERE c.relname LIKE 'outbox%' AND c.relkind IN ('r', 'p')"
        " AND (has_table_privilege(c.oid, 'DELETE') OR has_column_privilege(c.oid, 'payload', 'UPDATE'))"
    )
    assert rows == []
