"""Sagas: a conversion survives every crash, happens once, and never keeps its caller waiting beyond the deadline."""

import asyncio
import time

import pytest
from chassis.errors import Aborted, CrmError, FailedPrecondition, InvalidArgument, Unauthenticated, Unavailable
from chassis.values import derived_id, new_id
from crm.leads.v1 import leads_pb2
from harness import until
from lead_calls import create, read

Lead = leads_pb2.Lead


class BrokenInside(CrmError):
    """A neighbour's own mistake."""


class DealRefused(FailedPrecondition):
    """Sales will not have it."""


@pytest.fixture
async def leads(starting, token_endpoint):
    return await starting(oidc_token_url=token_endpoint.url, client_secret="secret")


async def qualified(leads):
    lead = await create(leads, owner="users/ana", email=f"{new_id()}@example.com")
    return await leads.call("LeadService/QualifyLead", leads_pb2.QualifyLeadRequest(name=lead.name))


async def convert(leads, name: str, **how):
    known = {"by": how.pop("by", "users/root"), "timeout": how.pop("timeout", 10)}
    return await leads.call("LeadService/ConvertLead", leads_pb2.ConvertLeadRequest(name=name, **how), **known)


async def state(leads, name: str) -> str:
    return Lead.State.Name((await read(leads, name)).state)


async def converted(leads, name: str) -> bool:
    return await state(leads, name) == "CONVERTED"


async def saga_row(leads, name: str):
    return (await leads.rows("SELECT * FROM saga WHERE subject = $1 ORDER BY id DESC LIMIT 1", name))[0]


async def test_a_conversion_answers_the_lead_with_its_three_names(leads, neighbour):
    lead = await qualified(leads)
    answer = await convert(leads, lead.name)
    key = derived_id(lead.name)
    assert answer.state == Lead.CONVERTED
    assert (answer.account, answer.contact, answer.opportunity) == (
        f"accounts/{key}",
        f"contacts/{key}",
        f"opportunities/{key}",
    )
    assert (await leads.events(lead.name))[-2:] == ["LeadConversionStarted", "LeadConverted"]


async def test_the_neighbour_is_asked_with_our_token_for_the_user_in_the_same_trace(leads, neighbour, token_endpoint):
    lead = await qualified(leads)
    await convert(leads, lead.name, by="users/ana")
    request, metadata = neighbour.asked[0]
    assert token_endpoint.asked == ["services/leads"]
    assert metadata["crm-actor"] == "users/ana"
    assert metadata["authorization"].startswith("Bearer ")
    assert (request.lead, request.journey_id) == (lead.name, lead.journey_id)


async def test_two_concurrent_conversions_happen_once(leads, neighbour):
    lead = await qualified(leads)
    answers = await asyncio.gather(*(convert(leads, lead.name) for _ in range(3)), return_exceptions=True)
    assert sum(isinstance(answer, Lead) for answer in answers) == 1
    assert all(isinstance(answer, Lead | FailedPrecondition | Aborted) for answer in answers)
    assert (await leads.events(lead.name)).count("LeadConverted") == 1
    assert len(neighbour.asked) == 1


async def test_concurrent_conversions_with_one_request_id_have_one_answer(leads, neighbour):
    lead, request_id = await qualified(leads), new_id()
    answers = await asyncio.gather(*(convert(leads, lead.name, request_id=request_id) for _ in range(3)))
    assert {Lead.State.Name(answer.state) for answer in answers} <= {"CONVERTED", "CONVERTING"}
    assert await until(lambda: converted(leads, lead.name), "the lead is converted")
    assert len(neighbour.asked) == 1


async def test_a_slow_neighbour_leaves_the_lead_converting_within_the_deadline(leads, neighbour):
    lead, request_id = await qualified(leads), new_id()
    neighbour.open.clear()
    began = time.monotonic()
    answer = await convert(leads, lead.name, request_id=request_id, timeout=1.5)
    assert time.monotonic() - began < 1.5
    assert answer.state == Lead.CONVERTING
    neighbour.open.set()
    await until(lambda: converted(leads, lead.name), "the lead is converted later")
    again = await convert(leads, lead.name, request_id=request_id)
    assert (again.state, again.account) == (Lead.CONVERTED, f"accounts/{derived_id(lead.name)}")
    assert len(neighbour.asked) == 1


async def test_a_neighbour_that_is_away_is_asked_again(leads, neighbour):
    lead = await qualified(leads)
    await neighbour.stop()
    assert (await convert(leads, lead.name, timeout=1.5)).state == Lead.CONVERTING

    async def postponed():
        return (await saga_row(leads, lead.name))["attempts"] > 0

    await until(postponed, "the saga was postponed")
    await neighbour.start()
    assert await until(lambda: converted(leads, lead.name), "the lead is converted")


async def test_a_suite_without_sales_keeps_the_lead_converting(leads, monkeypatch):
    monkeypatch.delenv("UPSTREAM_SALES", raising=False)
    lead = await qualified(leads)
    assert (await convert(leads, lead.name, timeout=1.5)).state == Lead.CONVERTING
    assert "ServiceAway" in (await saga_row(leads, lead.name))["error"]


async def test_an_issuer_that_is_away_only_delays(starting, neighbour):
    leads = await starting(oidc_token_url="http://127.0.0.1:9/token", client_secret="secret")
    lead = await qualified(leads)
    assert (await convert(leads, lead.name, timeout=1.5)).state == Lead.CONVERTING
    assert neighbour.asked == []


@pytest.mark.parametrize(
    "passing",
    [Unavailable(), Aborted(), BrokenInside(), Unauthenticated()],
    ids=["unavailable", "aborted", "internal", "our token refused"],
)
async def test_what_may_pass_is_asked_again_with_the_same_request_id(leads, neighbour, passing):
    lead = await qualified(leads)
    neighbour.refuse = [passing, passing]
    await convert(leads, lead.name, timeout=3)
    await until(lambda: converted(leads, lead.name), "the lead is converted")
    assert len({request.request_id for request, _ in neighbour.asked}) == 1
    assert len(neighbour.asked) == 3


@pytest.mark.parametrize("request_id", ["", "44444444-4444-4444-8444-444444444444"], ids=["without id", "with id"])
async def test_a_refusal_brings_the_lead_back_and_is_told(leads, neighbour, request_id):
    lead = await qualified(leads)
    neighbour.refuse = [DealRefused(account="accounts/full")]
    with pytest.raises(FailedPrecondition) as refused:
        await convert(leads, lead.name, request_id=request_id)
    assert refused.value.metadata["account"] == "accounts/full"
    assert await state(leads, lead.name) == "QUALIFIED"
    assert (await leads.events(lead.name))[-1] == "LeadConversionAbandoned"


async def test_after_a_refusal_the_lead_can_be_converted_another_way(leads, neighbour):
    lead = await qualified(leads)
    neighbour.refuse = [InvalidArgument()]
    with pytest.raises(InvalidArgument):
        await convert(leads, lead.name)
    assert (await convert(leads, lead.name, account_display_name="Other")).state == Lead.CONVERTED


async def test_a_refused_call_that_is_repeated_begins_again(leads, neighbour):
    lead = await qualified(leads)
    request_id = new_id()
    for _ in range(2):
        neighbour.refuse = [InvalidArgument()]
        with pytest.raises(InvalidArgument):
            await convert(leads, lead.name, request_id=request_id)
    neighbour.refuse = []
    assert (await convert(leads, lead.name, request_id=request_id)).state == Lead.CONVERTED
    assert (await convert(leads, lead.name, request_id=request_id)).state == Lead.CONVERTED


async def test_a_crash_before_the_call_is_resumed(leads, neighbour, starting, token_endpoint, broker):
    """The process died right after its commit: the saga is found due, and by another process."""
    lead = await qualified(leads)
    await neighbour.stop()
    await convert(leads, lead.name, timeout=1.5)
    await leads.process.drain()
    await neighbour.start()
    other = await starting(database=leads.database, oidc_token_url=token_endpoint.url, client_secret="secret")
    await other.rows("UPDATE saga SET due_time = now() - interval '1 second' WHERE subject = $1", lead.name)
    assert await until(lambda: converted(other, lead.name), "the lead is converted")


async def test_a_crash_after_the_call_and_before_its_result_was_stored_asks_again_for_the_same(leads, neighbour):
    lead = await qualified(leads)
    neighbour.open.clear()
    await convert(leads, lead.name, timeout=1.2)
    await leads.rows("UPDATE saga SET due_time = now() WHERE subject = $1", lead.name)  # as if its lease had run out
    await until(lambda: _asked(neighbour, 2), "another worker asks too")
    neighbour.open.set()
    await until(lambda: converted(leads, lead.name), "the lead is converted")
    assert (await leads.events(lead.name)).count("LeadConverted") == 1
    assert len({request.request_id for request, _ in neighbour.asked}) == 1


async def _asked(neighbour, count: int) -> bool:
    return len(neighbour.asked) >= count


async def test_a_crash_after_the_result_was_stored_only_finishes(leads, neighbour):
    lead = await qualified(leads)
    await neighbour.stop()
    await convert(leads, lead.name, timeout=1.5)
    names = '{"account": "accounts/a", "contact": "contacts/c", "opportunity": "opportunities/o"}'
    await leads.rows(
        "UPDATE saga SET step = 1, data = data || $2::jsonb, due_time = now() WHERE subject = $1", lead.name, names
    )
    await until(lambda: converted(leads, lead.name), "the lead is converted")
    assert (await read(leads, lead.name)).account == "accounts/a"
    assert neighbour.asked == []


async def test_a_finished_saga_is_not_run_again(leads, neighbour):
    lead = await qualified(leads)
    await convert(leads, lead.name)
    assert (await saga_row(leads, lead.name))["due_time"] is None


async def test_a_lead_being_converted_refuses_other_verbs(leads, neighbour):
    lead = await qualified(leads)
    neighbour.open.clear()
    await convert(leads, lead.name, timeout=1.2)
    with pytest.raises(FailedPrecondition) as refused:
        await leads.call("LeadService/ArchiveLead", leads_pb2.ArchiveLeadRequest(name=lead.name))
    assert refused.value.metadata["state"] == "CONVERTING"


async def test_the_saga_stores_nothing_when_the_lead_cannot_be_converted(leads):
    lead = await create(leads)
    with pytest.raises(FailedPrecondition):
        await convert(leads, lead.name)
    assert await leads.rows("SELECT 1 FROM saga WHERE subject = $1", lead.name) == []
