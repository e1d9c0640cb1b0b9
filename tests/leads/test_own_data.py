"""Own data over gRPC and HTTP: who has the link sees and changes what is theirs, and nothing else."""

import asyncio

import pytest
from chassis.errors import Aborted, FailedPrecondition, InvalidFields, NotFound, PermissionDenied
from chassis.personal import to_wire
from chassis.persons import Person
from chassis.values import new_id
from crm.chassis.v1 import personal_pb2
from crm.leads.v1 import enrichments_pb2, leads_pb2, merges_pb2, notifications_pb2
from crm.leads.v1 import events_pb2 as lead_events
from crm.leads.v1 import own_data_pb2 as pb
from harness import PEOPLE, start
from lead_calls import create, read, update
from leads.domain.own_data import FIELDS, MOST_CHANGES, hash_of

ANA, BORIS, CHEN, DORA = "users/ana", "users/boris", "users/chen", "users/dora"
KNOWN = {"display_name": "Мария Conceição", "company": "玫瑰面包房", "email": "m@rosa.example", "region": "Пловдив"}
KNOWN |= {"phone": "0888 123 456", "country": "BG", "language": "bg", "do_not_call": False}


@pytest.fixture(scope="module")
async def desk(backend, issuer):
    running = await start("leads", backend, issuer, PEOPLE)
    yield running
    await running.stop()


async def ask(desk, method, by=ANA, **fields):
    return await desk.call(f"OwnDataService/{method}", getattr(pb, f"{method}Request")(**fields), by=by)


async def shared(desk, by=ANA, **fields):
    """A lead with a link: the lead and the secret."""
    lead = await create(desk, **({"owner": ANA, "note": "pays late", "labels": {"vip": "no"}} | KNOWN | fields))
    return lead, (await ask(desk, "ShareOwnData", by, name=lead.name)).token


async def opened(desk, token):
    """As a visitor does, who shows no token of ours."""
    return await desk.call("OwnDataService/GetOwnData", pb.GetOwnDataRequest(token=token), token="")


async def changed(desk, token, etag="", mask=(), request_id="", **fields):
    request = pb.UpdateOwnDataRequest(token=token, own_data={"etag": etag} | fields, request_id=request_id)
    request.update_mask.paths.extend(mask)
    return await desk.call("OwnDataService/UpdateOwnData", request, token="")


async def said(desk, lead):
    """Which of a lead's values are from whom."""
    name = lead.name.replace("leads/", "leadEnrichments/")
    request = enrichments_pb2.GetLeadEnrichmentRequest(name=name)
    found = await desk.call("EnrichmentService/GetLeadEnrichment", request, by="users/root")
    return {one.field: (one.value, one.source) for one in found.fields}


async def is_dead(desk, token):
    """Whether nothing can be read or changed; in the very words for a link that never was."""
    with pytest.raises(NotFound) as never:
        await opened(desk, "never")
    for attempt in (opened(desk, token), changed(desk, token, region="Фаро")):
        with pytest.raises(NotFound) as refused:
            await attempt
        told = refused.value
        assert (told.reason, told.message, told.metadata) == (
            never.value.reason, never.value.message, never.value.metadata,
        )  # fmt: skip
    return True


async def test_who_has_the_link_sees_what_is_theirs_and_nothing_else(desk):
    lead, token = await shared(desk)
    seen = await opened(desk, token)
    assert {name: getattr(seen, name) for name in FIELDS} == KNOWN
    assert {item.name for item in pb.OwnData.DESCRIPTOR.fields} == {*FIELDS, "name", "etag", "expire_time"}
    for word in ("pays late", "vip", ANA, "teams/north", "ASSIGNED"):
        assert word not in str(seen)
    assert await read(desk, lead.name) == lead  # to be looked at changes nothing


async def test_only_a_hash_of_the_secret_is_kept_and_the_secret_is_told_once(desk):
    lead, request_id = await create(desk, owner=ANA), new_id()
    first = await ask(desk, "ShareOwnData", name=lead.name, request_id=request_id)
    again = await ask(desk, "ShareOwnData", name=lead.name, request_id=request_id)
    assert (again.own_data_link, again.token) == (first.own_data_link, "")
    assert (await opened(desk, first.token)).name == lead.name  # the repeated call made no other one
    for table in ("own_data_links", "request", "outbox", "audit_entry"):
        rows = await desk.rows(f"SELECT * FROM {table}")
        assert not any(first.token in str(dict(row)) for row in rows)
    (row,) = await desk.rows("SELECT token_hash FROM own_data_links WHERE lead = $1", lead.name)
    assert row["token_hash"] == hash_of(first.token)


async def test_whoever_may_change_the_lead_shares_it_and_nobody_else(desk):
    lead, token = await shared(desk)
    link = lead.name.replace("leads/", "ownDataLinks/")
    for by, why in ((BORIS, NotFound), (CHEN, NotFound), (DORA, PermissionDenied)):
        for method, name in (("ShareOwnData", lead.name), ("WithdrawOwnData", lead.name), ("GetOwnDataLink", link)):
            with pytest.raises(why):
                await ask(desk, method, by, name=name)
    assert (await opened(desk, token)).name == lead.name
    assert (await ask(desk, "GetOwnDataLink", "users/mira", name=link)).lead == lead.name
    lead.owner, lead.team = BORIS, "teams/north"
    await desk.react(lead_events.LeadAssigned(lead=lead), version=9)
    assert (await ask(desk, "GetOwnDataLink", BORIS, name=link)).owner == BORIS
    with pytest.raises(NotFound):
        await ask(desk, "GetOwnDataLink", name=link)


@pytest.mark.parametrize("days", [-1, 91])
async def test_a_link_is_for_ninety_days_at_most(desk, days):
    lead = await create(desk, owner=ANA)
    with pytest.raises(InvalidFields, match="days"):
        await ask(desk, "ShareOwnData", name=lead.name, days=days)


async def test_a_new_link_replaces_the_old_and_a_withdrawn_one_is_dead(desk):
    lead, old = await shared(desk)
    answer = await ask(desk, "ShareOwnData", name=lead.name, days=90)
    lasts = answer.own_data_link.expire_time.seconds - answer.own_data_link.update_time.seconds
    assert lasts == 90 * 86_400
    assert await is_dead(desk, old)
    assert (await opened(desk, answer.token)).name == lead.name
    link = await ask(desk, "WithdrawOwnData", name=lead.name)
    assert link.HasField("withdraw_time")
    assert await is_dead(desk, answer.token)
    with pytest.raises(FailedPrecondition, match="OWN_DATA_NOT_SHARED"):
        await ask(desk, "WithdrawOwnData", name=lead.name)
    with pytest.raises(FailedPrecondition, match="OWN_DATA_NOT_SHARED"):
        await ask(desk, "WithdrawOwnData", name=(await create(desk, owner=ANA)).name)
    told = [one for one in await desk.events(lead.name) if one.startswith("OwnData")]
    assert told == ["OwnDataShared", "OwnDataShared", "OwnDataWithdrawn"]


async def test_a_link_whose_time_is_over_is_dead(desk):
    lead, token = await shared(desk)
    await desk.rows("UPDATE own_data_links SET expire_time = now() WHERE lead = $1", lead.name)
    assert await is_dead(desk, token)


@pytest.mark.parametrize("token", ["x", "é" * 43, "\0" + "a" * 42, "' OR ''='", "a" * 100])
async def test_whatever_is_no_secret_is_answered_as_one_that_never_was(desk, token):
    assert await is_dead(desk, token)


async def test_what_they_change_is_stored_as_everywhere_and_told_as_theirs(desk):
    lead, token = await shared(desk)
    etag = (await opened(desk, token)).etag
    after = await changed(
        desk,
        token,
        etag,
        email="MARIA@Rosa.example",
        phone="0888 999 999",
        company="Padaria São João",
        do_not_call=True,
    )
    stored = await read(desk, lead.name)
    assert (stored.email, stored.phone_e164, stored.company) == (
        "maria@rosa.example", "+359888999999", "Padaria São João",
    )  # fmt: skip
    assert stored.do_not_call
    assert (stored.owner, stored.note, stored.state) == (lead.owner, lead.note, lead.state)
    assert (after.email, after.etag != etag) == ("maria@rosa.example", True)
    told = await desk.rows("SELECT type, actor FROM outbox WHERE subject = $1 ORDER BY id DESC LIMIT 2", lead.name)
    assert {row["type"].rpartition(".")[2] for row in told} == {"LeadUpdated", "OwnDataUpdated"}
    assert {row["actor"] for row in told} == {"anonymous"}
    kept = await said(desk, lead)
    assert kept["email"] == ("maria@rosa.example", "own_data")
    assert kept["do_not_call"] == ("true", "own_data")
    assert set(kept) == {"email", "phone", "company", "do_not_call"}
    link = await ask(desk, "GetOwnDataLink", name=lead.name.replace("leads/", "ownDataLinks/"))
    assert (link.change_count, link.HasField("change_time")) == (1, True)


async def test_the_owner_is_told_and_nobody_is_of_what_changes_nothing(desk):
    lead, token = await shared(desk)
    request = notifications_pb2.ListNotificationsRequest(filter=f'lead = "{lead.name}"')
    await changed(desk, token, display_name=lead.display_name, email=lead.email.upper())
    assert not (await desk.call("NotificationService/ListNotifications", request, by=ANA)).notifications
    assert (await read(desk, lead.name)).etag == lead.etag
    await changed(desk, token, region="Фаро")
    (one,) = (await desk.call("NotificationService/ListNotifications", request, by=ANA)).notifications
    assert one.kind == notifications_pb2.Notification.OWN_DATA_UPDATED


@pytest.mark.parametrize(
    ("fields", "mask", "field"),
    [
        ({"email": "no address"}, (), "own_data.email"),
        ({"phone": "call me"}, (), "own_data.phone"),
        ({"country": "България"}, (), "own_data.country"),
        ({"language": "български"}, (), "own_data.language"),
        ({"display_name": ""}, ("display_name",), "own_data.display_name"),
        ({"display_name": "я" * 201}, (), "own_data.display_name"),
        ({"company": "a\0b"}, (), "company"),
        ({}, ("owner",), "own_data.owner"),
        ({}, ("note",), "own_data.note"),
        ({}, ("labels", "state", "custom"), "own_data.labels"),
        ({}, ("*",), "own_data"),
    ],
)
async def test_what_is_not_theirs_or_is_wrong_changes_nothing(desk, fields, mask, field):
    lead, token = await shared(desk)
    with pytest.raises(InvalidFields, match=field):
        await changed(desk, token, mask=mask, **fields)
    assert await read(desk, lead.name) == lead


async def test_a_name_and_an_expiry_in_what_they_send_are_passed_over(desk):
    lead, token = await shared(desk)
    await changed(desk, token, mask=("name", "expire_time", "region"), name=f"leads/{new_id()}", region="Фаро")
    assert (await read(desk, lead.name)).region == "Фаро"


async def test_what_they_empty_is_empty(desk):
    lead, token = await shared(desk)
    await changed(desk, token, mask=("company", "phone"))
    stored = await read(desk, lead.name)
    assert (stored.company, stored.phone, stored.phone_e164) == ("", "", "")
    assert (await said(desk, lead))["company"] == ("", "own_data")


async def test_a_stale_copy_changes_nothing_and_work_on_the_lead_makes_none_stale(desk):
    lead, token = await shared(desk)
    etag = (await opened(desk, token)).etag
    await update(desk, lead.name, note="they called")
    await changed(desk, token, etag, region="Фаро")
    with pytest.raises(Aborted):
        await changed(desk, token, etag, region="Лисабон")
    assert (await read(desk, lead.name)).region == "Фаро"


async def test_changes_at_one_moment_are_all_kept_and_a_repeated_one_counts_once(desk):
    lead, token = await shared(desk)
    given = ({"region": "Фаро"}, {"company": "Роза"}, {"language": "pt-PT"})
    await asyncio.gather(*(changed(desk, token, **fields) for fields in given))
    stored = await read(desk, lead.name)
    assert (stored.region, stored.company, stored.language) == ("Фаро", "Роза", "pt-PT")
    etag, request_id = (await opened(desk, token)).etag, new_id()
    first, again = [await changed(desk, token, etag, region="Лисабон", request_id=request_id) for _ in range(2)]
    assert first == again
    (row,) = await desk.rows("SELECT change_count FROM own_data_links WHERE lead = $1", lead.name)
    assert row["change_count"] == 4


async def test_one_link_fills_no_log(desk):
    lead, token = await shared(desk)
    await desk.rows("UPDATE own_data_links SET change_count = $2 WHERE lead = $1", lead.name, MOST_CHANGES)
    with pytest.raises(FailedPrecondition, match="OWN_DATA_CHANGED_TOO_OFTEN"):
        await changed(desk, token, region="Фаро")
    assert (await read(desk, lead.name)).region == lead.region
    assert (await opened(desk, token)).region == lead.region
    again = (await ask(desk, "ShareOwnData", name=lead.name)).token
    assert (await changed(desk, again, region="Фаро")).region == "Фаро"


async def test_the_link_of_a_lead_that_was_put_away_is_dead_until_it_is_back(desk):
    lead, token = await shared(desk)
    await desk.call("LeadService/ArchiveLead", leads_pb2.ArchiveLeadRequest(name=lead.name), by=ANA)
    assert await is_dead(desk, token)
    with pytest.raises(FailedPrecondition, match="LEAD_ARCHIVED_ALREADY"):
        await ask(desk, "ShareOwnData", name=lead.name)
    await desk.call("LeadService/RestoreLead", leads_pb2.RestoreLeadRequest(name=lead.name), by=ANA)
    assert (await opened(desk, token)).name == lead.name


async def test_the_link_of_a_merged_lead_opens_no_other_one(desk):
    (survivor, kept), (lead, token) = await shared(desk), await shared(desk)
    request = merges_pb2.MergeLeadsRequest(name=survivor.name, merged=[{"name": lead.name}])
    await desk.call("MergeService/MergeLeads", request, by="users/root")
    assert await is_dead(desk, token)
    assert (await opened(desk, kept)).name == survivor.name
    with pytest.raises(FailedPrecondition, match="LEAD_MERGED_AWAY"):
        await ask(desk, "ShareOwnData", "users/root", name=lead.name)
    assert (await ask(desk, "WithdrawOwnData", "users/root", name=lead.name)).lead == lead.name


async def test_an_erasure_takes_the_link_and_what_they_said(desk):
    lead, token = await shared(desk)
    await changed(desk, token, email="private@rosa.example", request_id=new_id())
    await changed(desk, token, email="other@rosa.example")
    person = personal_pb2.FindPersonRequest(person=to_wire(Person(records=[lead.name])))
    found = await desk.call("PersonalDataService/FindPerson", person)
    wanted = personal_pb2.ErasePersonRequest(erasure=new_id(), person=found.person)
    while (await desk.call("PersonalDataService/ErasePerson", wanted, timeout=60)).changed:
        pass
    assert await is_dead(desk, token)
    assert await desk.rows("SELECT 1 FROM own_data_links WHERE lead = $1", lead.name) == []
    for table in ("request", "outbox", "lead_enrichments", "leads"):
        rows = await desk.rows(f"SELECT * FROM {table}")
        assert not any("private@rosa.example" in str(dict(row)) for row in rows), table
