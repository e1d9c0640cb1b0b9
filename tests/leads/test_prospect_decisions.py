"""What becomes of prospects: leads by way of captures, once each; what is not wanted; and who is left in peace."""

import asyncio
import itertools
import json

import pytest
from chassis.errors import InvalidArgument
from chassis.persons import MarkKind, keyed_hash
from chassis.values import new_id
from crm.leads.v1 import captures_pb2, leads_pb2
from crm.leads.v1 import prospects_pb2 as pb
from crm.marketing.v1 import events_pb2 as marketing_events
from crm.marketing.v1 import marketing_pb2
from crm.sales.v1 import events_pb2 as sales_events
from crm.sales.v1 import sales_pb2
from harness import PEOPLE, start, until
from lead_calls import create, read, update
from leads import prospect_tables
from outgoing_servers import JsonServer
from prospect_calls import ANA, a_search, accept, answers, call, company, found, person, prospects_of, run, source

BORIS, ROOT = "users/boris", "users/root"
Accepted = pb.AcceptProspectsResponse.Result
number = itertools.count(1000)


@pytest.fixture(scope="module")
async def company_desk(backend, issuer):
    running = await start("leads", backend, issuer, PEOPLE)
    yield running
    await running.stop()


@pytest.fixture
async def web():
    server = JsonServer()
    yield server
    server.close()


@pytest.fixture
async def desk(company_desk, web, monkeypatch):
    monkeypatch.setenv("PROSPECT_SOURCES", json.dumps([source(web)]))
    return company_desk


async def dismiss(desk, *prospects, by=ANA):
    return list((await call(desk, "DismissProspects", by, names=[one.name for one in prospects])).results)


async def captures_of(desk, lead):
    request = captures_pb2.ListCapturesRequest(filter=f'lead = "{lead}"')
    return (await desk.call("CaptureService/ListCaptures", request)).captures


async def suppress(desk, email, version=1, **fields):
    digest = keyed_hash(b"private", MarkKind.EMAIL, email).hex()[:40]
    told = marketing_pb2.Suppression(name=f"suppressions/{digest}", **fields)
    kind = marketing_events.SuppressionLifted if fields else marketing_events.AddressSuppressed
    await desk.react(kind(suppression=told), version=version)


async def test_a_lead_is_made_that_says_where_it_is_from(desk, web):
    told = person(next(number), name="王芳", phone="+359 888 765 432")
    told |= {"nace": "10.71", "where": {"country": "BG", "city": "Пловдив", "region": "Пловдив"}, "staff": 40}
    (one,) = await prospects_of(desk, web, told, channel="fair")
    (result,) = await accept(desk, one)
    assert result.outcome == Accepted.CREATED
    lead = await read(desk, result.lead)
    assert (lead.display_name, lead.company, lead.email) == ("王芳", told["name"], told["person"]["mail"])
    assert (lead.phone_e164, lead.country, lead.region, lead.company_size) == ("+359888765432", "BG", "Пловдив", 40)
    assert (lead.channel, dict(lead.labels)) == (
        "channels/fair", {"prospect_source": "registry", "industry": "10.71"},
    )  # fmt: skip
    assert lead.note.startswith("Source registry, 20")
    assert (lead.owner, lead.state) == (ANA, leads_pb2.Lead.ASSIGNED)
    (capture,) = await captures_of(desk, lead.name)
    assert (capture.kind, capture.state) == (captures_pb2.Capture.PROSPECT, captures_pb2.Capture.CREATED)
    kept = await call(desk, "GetProspect", name=one.name)
    assert (kept.state, kept.lead, kept.decided_by) == (pb.Prospect.ACCEPTED, lead.name, ANA)
    events = await desk.events(one.prospect_search)
    assert events[-1] == "ProspectsAccepted"
    assert "LeadCreated" in await desk.events(lead.name)
    payloads = await desk.rows("SELECT payload FROM outbox WHERE subject = $1", one.prospect_search)
    assert all(told["person"]["mail"].encode() not in row["payload"] for row in payloads)


async def test_many_are_accepted_at_once_and_each_is_answered_for_itself(desk, web):
    odd, *rest = await prospects_of(desk, web, *[company(next(number)) for _ in range(4)])
    await desk.rows("UPDATE prospects SET company = '' WHERE id = $1::uuid", odd.name.partition("/")[2])
    nowhere = pb.Prospect(name=f"prospects/{new_id()}")
    results = await accept(desk, rest[0], odd, nowhere, rest[1], rest[2])
    assert [one.outcome for one in results] == [1, 3, 3, 1, 1]
    assert [one.reason for one in results] == ["", "INVALID_FIELDS", "RECORD_NOT_FOUND", "", ""]
    assert len({one.lead for one in results}) == 4
    search = await call(desk, "GetProspectSearch", name=odd.prospect_search)
    assert search.accepted_count == 3
    with pytest.raises(InvalidArgument):
        await call(desk, "AcceptProspects", names=[f"prospects/{new_id()}" for _ in range(201)])


async def test_there_is_one_lead_however_often_and_by_how_many_it_is_accepted(desk, web):
    told = company(next(number))
    (one,) = await prospects_of(desk, web, told)
    request_id = new_id()
    (first,) = await accept(desk, one, requestId=request_id)
    assert [first] == await accept(desk, one, requestId=request_id)
    (again,) = await accept(desk, one)
    assert (again.outcome, again.lead) == (Accepted.ADDED, first.lead)
    (other,) = await prospects_of(desk, web, told)  # another search
    assert other.match.lead == first.lead
    (result,) = await accept(desk, other)
    assert (result.outcome, result.lead) == (Accepted.ADDED, first.lead)
    assert len(await desk.rows("SELECT FROM leads WHERE company = $1", told["name"])) == 1


async def test_two_who_accept_at_the_same_moment_make_one_lead(desk, web):
    told = company(next(number))
    both = [(await prospects_of(desk, web, told))[0] for _ in range(2)]
    results = await asyncio.gather(*(accept(desk, one) for one in both * 2))
    assert len({result.lead for (result,) in results}) == 1
    assert [result.outcome for (result,) in results].count(Accepted.CREATED) == 1
    twice = [(await prospects_of(desk, web, company(next(number), name=f"Хляб {told['id']}")))[0]]
    twice += await prospects_of(desk, web, told | {"id": twice[0].source_key, "name": twice[0].company})
    results = await accept(desk, *twice)
    assert [one.outcome for one in results] == [Accepted.CREATED, Accepted.ADDED]


async def test_who_is_a_lead_already_is_added_to_it_and_sleeps_on(desk, web):
    told = person(next(number))
    there = await create(desk, owner=ANA, email=told["person"]["mail"], display_name="Ana", note="Asked for ovens")
    asleep = leads_pb2.NurtureLeadRequest(name=there.name, nurture_until={"seconds": 1_900_000_000})
    await desk.call("LeadService/NurtureLead", asleep)
    twin = company(next(number), name="Друга фирма", person={"mail": told["person"]["mail"]})
    results = await accept(desk, *await prospects_of(desk, web, told, twin))
    assert [(one.outcome, one.lead) for one in results] == [(Accepted.ADDED, there.name)] * 2
    lead = await read(desk, there.name)
    assert (lead.display_name, lead.company, lead.state) == ("Ana", told["name"], leads_pb2.Lead.NURTURING)
    assert lead.note.startswith("Asked for ovens\n\nSource registry")


async def test_of_two_of_one_address_the_second_is_added_to_the_lead_of_the_first(desk, web):
    both = [person(next(number)), person(next(number))]
    both[1]["person"]["mail"], both[1]["staff"] = both[0]["person"]["mail"], 30
    first, second = await accept(desk, *await prospects_of(desk, web, *both))
    assert (first.outcome, second.outcome, second.lead) == (Accepted.CREATED, Accepted.ADDED, first.lead)
    lead = await read(desk, first.lead)
    assert (lead.company, lead.note.count("Source registry")) == (both[0]["name"], 2)
    assert len(await captures_of(desk, lead.name)) == 2


async def test_whose_company_is_known_is_refused_with_why_unless_that_is_wanted(desk, web):
    name = f"Мелница {next(number)}"
    there = await create(desk, owner=ANA, company=name)
    one, twin = await prospects_of(desk, web, *[company(next(number), name=f"{name} АД") for _ in range(2)])
    (refused,) = await accept(desk, one)
    assert (refused.outcome, refused.reason, refused.match.lead) == (Accepted.REFUSED, "PROSPECT_KNOWN", there.name)
    assert (await call(desk, "GetProspect", name=one.name)).state == pb.Prospect.NEW
    results = await accept(desk, one, twin, evenIfKnown=True)
    assert [result.outcome for result in results] == [Accepted.CREATED] * 2


async def test_of_two_of_one_company_the_second_is_told_of_the_first(desk, web):
    name = f"Близнаци {next(number)}"
    results = await accept(desk, *await prospects_of(desk, web, *[company(next(number), name=name) for _ in range(2)]))
    assert [(one.outcome, one.reason) for one in results] == [(1, ""), (3, "PROSPECT_KNOWN")]


async def test_who_shares_an_address_with_one_that_was_refused_is_refused_too(desk, web):
    name, mail = f"Пара {next(number)}", f"office{next(number)}@para.example"
    await create(desk, owner=ANA, company=name)
    told = [company(next(number), name=one, person={"mail": mail}) for one in (name, "Съвсем друга")]
    results = await accept(desk, *await prospects_of(desk, web, *told))
    assert [one.reason for one in results] == ["PROSPECT_KNOWN"] * 2


async def test_an_account_of_that_name_is_told_to_whom_may_read_it(desk, web):
    name = f"Клиент {next(number)}"
    for owner, prefix in ((ANA, "Мой"), (BORIS, "Чужд")):
        account = sales_pb2.Account(name=f"accounts/{new_id()}", display_name=f"{prefix} {name} ООД", owner=owner)
        await desk.react(sales_events.AccountCreated(account=account), version=1)
    told = [company(next(number), name=f"{prefix} {name}") for prefix in ("Мой", "Чужд")]
    mine, his = await prospects_of(desk, web, *told)
    assert (bool(mine.match.account), mine.match.lead, his.HasField("match")) == (True, "", False)
    results = await accept(desk, mine, his)
    assert [one.reason for one in results] == ["PROSPECT_KNOWN", ""]


async def test_what_is_dismissed_stays_so_and_can_still_be_accepted(desk, web):
    one, taken = await prospects_of(desk, web, company(next(number)), company(next(number)))
    await accept(desk, taken)
    results = await dismiss(desk, one, taken)
    assert [result.reason for result in results] == ["", "PROSPECT_TAKEN"]
    assert [result.reason for result in await dismiss(desk, one)] == [""]
    assert (await call(desk, "GetProspectSearch", name=one.prospect_search)).dismissed_count == 1
    assert (await desk.events(one.prospect_search)).count("ProspectsDismissed") == 1
    assert [result.reason for result in await dismiss(desk, one, by=BORIS)] == ["RECORD_NOT_FOUND"]
    assert [result.reason for result in await accept(desk, one, by=BORIS)] == ["RECORD_NOT_FOUND"]
    (result,) = await accept(desk, one)
    assert result.outcome == Accepted.CREATED


async def test_an_address_nobody_writes_to_is_left_out_and_comes_back_once_that_is_lifted(desk, web):
    told = [person(next(number)) for _ in range(2)]
    await suppress(desk, told[0]["person"]["mail"])
    first, second = await prospects_of(desk, web, *told)
    assert (first.display_name, first.email, first.withheld, first.company) == ("", "", True, told[0]["name"])
    assert (second.email, second.withheld) == (told[1]["person"]["mail"], False)
    await suppress(desk, told[1]["person"]["mail"])  # after it was found
    results = await accept(desk, first, second)
    for result in results:
        lead = await read(desk, result.lead)
        assert (lead.email, lead.display_name) == ("", lead.company)
    later = person(next(number))
    await suppress(desk, later["person"]["mail"])
    await suppress(desk, later["person"]["mail"], version=2, lift_time={"seconds": 1_760_000_000})
    (third,) = await prospects_of(desk, web, later)
    assert third.email == later["person"]["mail"]


async def test_a_number_that_is_not_to_be_called_is_left_out(desk, web):
    there = await create(desk, owner=BORIS, phone="0888 111 222", country="BG")
    await update(desk, there.name, do_not_call=True)
    (one,) = await prospects_of(desk, web, person(next(number), phone="+359 888 111222"))
    assert (one.phone, bool(one.email), one.withheld) == ("", True, True)


async def test_what_was_told_of_people_is_kept_as_long_as_the_source_says(desk, web):
    new, gone, taken = await prospects_of(desk, web, *[person(next(number)) for _ in range(3)])
    await dismiss(desk, gone)
    await accept(desk, taken)
    await desk.rows("UPDATE prospects SET expire_time = now() - interval '1 second'")
    await desk.rows(prospect_tables.PRUNE)
    left = {row["name"]: row for row in await desk.rows("SELECT 'prospects/' || id AS name, email, key FROM prospects")}
    assert new.name not in left
    assert [left[one.name]["email"] for one in (gone, taken)] == ["", ""]
    search = await call(desk, "GetProspectSearch", name=new.prospect_search)
    answers(web, [{"id": int(one.source_key), "name": one.company} for one in (new, gone, taken)], [])
    await run(desk, search)
    states = [one.state for one in await found(desk, search)]
    assert sorted(states) == [pb.Prospect.NEW, pb.Prospect.ACCEPTED, pb.Prospect.DISMISSED]


async def test_a_search_without_a_key_for_privacy_finds_no_people(desk, web, monkeypatch):
    search = await a_search(desk)
    context = desk.process.context
    object.__setattr__(context, "privacy_key", b"")
    try:
        with pytest.raises(Exception, match="PRIVACY_KEY_MISSING"):
            await call(desk, "RunProspectSearch", name=search.name)
    finally:
        object.__setattr__(context, "privacy_key", b"private")
    assert await until(lambda: call(desk, "RunProspectSearch", name=search.name), "it runs with one")
