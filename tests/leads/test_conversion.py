"""Conversions with sales and insights beside leads: what is found, linked or made, what follows, and the way back."""

import asyncio
import os
import uuid
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from chassis.errors import FailedPrecondition, InvalidFields, NotFound, PermissionDenied, Unavailable
from chassis.testing import Backend
from chassis.values import id_of, new_id
from crm.insights.v1 import insights_pb2
from crm.leads.v1 import conversion_pb2, interactions_pb2, leads_pb2, own_data_pb2
from crm.sales.v1 import sales_pb2
from harness import Issuer, Running, start, until

from chassis import streams

ROOT, ANA = "users/root", "users/ana"
NAMES = ("account", "contact", "opportunity")
BEST = {name: {"mode": "AUTO"} for name in NAMES}
Lead = leads_pb2.Lead


def phone_number() -> str:
    """One that nobody else has."""
    digits = str(uuid.UUID(new_id()).int)[-9:]
    return f"+359 {digits[:3]} {digits[3:]}"


@dataclass
class Suite:
    """Three services that hear each other."""

    leads: Running
    sales: Running
    insights: Running

    async def ask(self, method: str, by: str = ROOT, **fields: Any) -> Any:
        """A call of leads about conversions."""
        request = getattr(conversion_pb2, f"{method}Request")(**fields)
        return await self.leads.call(f"ConversionService/{method}", request, by=by)

    async def lead(self, method: str, by: str = ROOT, **fields: Any) -> Any:
        request = getattr(leads_pb2, f"{method}Request")(**fields)
        return await self.leads.call(f"LeadService/{method}", request, by=by)

    async def sell(self, method: str, by: str = ROOT, **fields: Any) -> Any:
        request = getattr(sales_pb2, f"{method}Request")(**fields)
        return await self.sales.call(f"SalesService/{method}", request, by=by)

    async def qualified(self, **fields: Any) -> Lead:
        given = {"display_name": "Ида Лунд", "company": f"Пекарна {new_id()}", "owner": ANA}
        given |= {"email": f"{new_id()}@bakery.example", "phone": phone_number()} | fields
        made = await self.lead("CreateLead", lead=given)
        return await self.lead("QualifyLead", name=made.name)

    async def customer(self, owner: str = ANA, **person: Any) -> tuple[Any, Any]:
        """An account and somebody there."""
        account = await self.sell("CreateAccount", account={"display_name": f"Роза {new_id()}", "owner": owner})
        given = {"display_name": "Ида Лунд", "account": account.name, "owner": owner}
        return account, await self.sell("CreateContact", contact=given | person)

    async def deal(self, account: str, contact: str) -> Any:
        given = {"display_name": "Пещи", "account": account, "contact": contact, "owner": ANA}
        return await self.sell("CreateOpportunity", opportunity=given)

    async def activity(self, subject: str) -> Any:
        given = {"display_name": "Show the oven", "subject": subject, "due_time": {"seconds": 1_900_000_000}}
        given |= {"expected_outcome": "They ask for a quote", "owner": ANA}

        async def planned() -> Any:
            try:
                return await self.sell("CreateActivity", activity=given)
            except InvalidFields:
                return None  # sales has not heard of the lead yet

        return await until(planned, f"sales knows {subject}")

    async def subject_is(self, activity: str, subject: str) -> None:
        async def there() -> bool:
            return (await self.sell("GetActivity", name=activity)).subject == subject

        await until(there, f"{activity} is about {subject}")

    async def counts(self) -> list[int]:
        """How many accounts, contacts and opportunities there are in all."""
        tables = ("accounts", "contacts", "opportunities")
        sql = ", ".join(f"(SELECT count(*) FROM {table} WHERE archive_time IS NULL) AS {table}" for table in tables)
        return list((await self.sales.rows(f"SELECT {sql}"))[0].values())

    async def timeline(self, account: str) -> list[str]:
        asked = insights_pb2.ListTimelineRequest(parent=f"customers/{id_of(account)}", page_size=1000)
        try:
            page = await self.insights.call("InsightsService/ListTimeline", asked, by=ROOT)
        except NotFound:
            return []
        return [entry.type.rpartition(".")[2] for entry in page.entries]


@pytest.fixture(scope="module")
async def suite(issuer: Issuer) -> AsyncIterator[Suite]:
    """On servers of their own: other services of the same names would take their events away."""
    with Backend.running() as backend, pytest.MonkeyPatch.context() as settings:
        await streams.make(backend.nats_url, ("leads", "sales", "insights"))
        sales = await start("sales", backend, issuer)
        settings.setitem(os.environ, "UPSTREAM_SALES", sales.address)
        leads = await start("leads", backend, issuer, oidc_token_url=issuer.token_url, client_secret="secret")
        insights = await start("insights", backend, issuer)
        yield Suite(leads, sales, insights)
        for running in (leads, sales, insights):
            await running.stop()


async def test_double_submit_convert_returns_same_ids(suite):
    lead, request_id = await suite.qualified(), new_id()
    first, again = [await suite.lead("ConvertLead", name=lead.name, request_id=request_id) for _ in range(2)]
    assert first.state == Lead.CONVERTED
    assert [getattr(again, name) for name in NAMES] == [getattr(first, name) for name in NAMES]
    at_once = await suite.qualified()
    before, request_id = await suite.counts(), new_id()
    calls = (suite.lead("ConvertLead", name=at_once.name, targets=BEST, request_id=request_id) for _ in range(4))
    answers = [answer for answer in await asyncio.gather(*calls) if answer.state == Lead.CONVERTED]
    assert len({answer.account for answer in answers}) == 1
    assert await suite.counts() == [number + 1 for number in before]


async def test_convert_when_contact_exists_links_moves_activities_0_duplicates(suite):
    lead = await suite.qualified()
    account, contact = await suite.customer(email=lead.email)
    activity = await suite.activity(lead.name)
    before = await suite.counts()
    converted = await suite.lead("ConvertLead", name=lead.name, targets=BEST)
    assert (converted.account, converted.contact) == (account.name, contact.name)
    await suite.subject_is(activity.name, converted.opportunity)
    assert await suite.counts() == [before[0], before[1], before[2] + 1]
    deal = await suite.sell("GetOpportunity", name=converted.opportunity)
    assert (deal.account, deal.contact, deal.lead) == (account.name, contact.name, lead.name)


async def test_what_they_said_of_themselves_goes_along_and_their_link_ends(suite):
    async def own(method, **fields):
        request = getattr(own_data_pb2, f"{method}Request")(**fields)
        return await suite.leads.call(f"OwnDataService/{method}", request, by=ANA)

    lead, email, phone = await suite.qualified(), f"{new_id()}@bakery.example", phone_number()
    token = (await own("ShareOwnData", name=lead.name)).token
    await own("UpdateOwnData", token=token, own_data={"display_name": "Ида Марие Лунд", "email": email, "phone": phone})
    converted = await suite.lead("ConvertLead", name=lead.name)
    contact = await suite.sell("GetContact", name=converted.contact)
    assert (contact.display_name, contact.email, contact.phone) == ("Ида Марие Лунд", email, phone)
    for method, fields in (("GetOwnData", {}), ("UpdateOwnData", {"own_data": {"phone": phone_number()}})):
        with pytest.raises(NotFound, match="NO_SUCH_OWN_DATA"):
            await own(method, token=token, **fields)
    with pytest.raises(FailedPrecondition):
        await own("ShareOwnData", name=lead.name)


async def test_what_a_preview_shows_is_what_a_conversion_does(suite):
    lead = await suite.qualified()
    account, contact = await suite.customer(email=lead.email, phone=lead.phone.replace(" ", "-"))
    deal = await suite.deal(account.name, contact.name)
    shown = await suite.ask("PreviewConversion", name=lead.name, by=ANA)
    assert (shown.account.name, shown.contact.name, shown.opportunity.name) == (account.name, contact.name, deal.name)
    reasons = conversion_pb2.ConversionPreview.Candidate
    assert list(shown.account.candidates[0].reasons) == [reasons.CONTACT]
    assert list(shown.contact.candidates[0].reasons) == [reasons.EMAIL, reasons.PHONE]
    assert (await suite.lead("GetLead", name=lead.name)).etag == lead.etag
    converted = await suite.lead("ConvertLead", name=lead.name, targets=BEST, by=ANA)
    assert [getattr(converted, name) for name in NAMES] == [account.name, contact.name, deal.name]


async def test_what_nothing_matches_would_be_made_and_is_called_as_it_would_be(suite):
    lead = await suite.qualified()
    shown = await suite.ask("PreviewConversion", name=lead.name, opportunity_display_name="Три пещи")
    assert [getattr(shown, name).name for name in NAMES] == ["", "", ""]
    assert [getattr(shown, name).display_name for name in NAMES] == [lead.company, "Ида Лунд", "Три пещи"]


async def test_an_account_is_found_by_its_external_id_and_by_its_name_in_any_case(suite):
    key = {"system": "sap", "kind": "customer", "id": new_id()}
    named = await suite.sell("CreateAccount", account={"display_name": f"  ПЕКАРНА {key['id']} "})
    keyed = await suite.sell("CreateAccount", account={"display_name": "上海面包房", "external_ids": [key]})
    lead = await suite.qualified(company=f"Пекарна {key['id']}")
    shown = await suite.ask("PreviewConversion", name=lead.name, account_external_ids=[key])
    assert [one.name for one in shown.account.candidates] == [keyed.name, named.name]


@pytest.mark.parametrize(
    ("customer", "company"),
    [
        ("Sopharma {} AD", "sopharma {}"),
        ("Булгартабак {} ЕООД", "Bulgartabak {}"),
        ("Padaria São João {} Ltda", "Padaria Sao Joao {}"),
        ("北京旷视科技{}有限公司", "北京旷视科技{}"),
    ],
)
async def test_an_account_of_almost_the_same_name_is_shown_and_linked_only_if_asked_for(suite, customer, company):
    number = f"{phone_number()[-6:]}"
    account = await suite.sell("CreateAccount", account={"display_name": customer.format(number)})
    lead = await suite.qualified(company=company.format(number))

    async def shown() -> Any:
        return (await suite.ask("PreviewConversion", name=lead.name)).account

    await until(lambda: _candidates(shown), "leads knows the account")
    found = await shown()
    similar = conversion_pb2.ConversionPreview.Candidate.SIMILAR_NAME
    assert [(one.name, list(one.reasons)) for one in found.candidates] == [(account.name, [similar])]
    assert found.name == ""
    targets = {"account": {"mode": "LINK", "name": account.name}, "contact": {"mode": "CREATE"}}
    converted = await suite.lead("ConvertLead", name=lead.name, targets=targets | {"opportunity": {"mode": "CREATE"}})
    assert converted.account == account.name


async def _candidates(shown):
    return list((await shown()).candidates)


async def test_nobody_is_shown_or_linked_to_records_beyond_their_reach(suite):
    lead = await suite.qualified()
    account, contact = await suite.customer(owner="users/chen", email=lead.email)
    shown = await suite.ask("PreviewConversion", name=lead.name, by=ANA)
    assert (shown.account.name, list(shown.contact.candidates)) == ("", [])
    for name, record in (("account", account), ("contact", contact)):
        targets = {name: {"mode": "LINK", "name": record.name}}
        with pytest.raises(InvalidFields, match="may not see"):
            await suite.lead("ConvertLead", name=lead.name, targets=targets, by=ANA)
    assert (await suite.lead("GetLead", name=lead.name)).state == Lead.QUALIFIED
    with pytest.raises(PermissionDenied):
        await suite.ask("PreviewConversion", name=lead.name, by="users/dora")


async def test_a_conversion_without_a_deal_has_an_account_and_a_contact(suite):
    lead = await suite.qualified()
    converted = await suite.lead("ConvertLead", name=lead.name, targets={"opportunity": {"mode": "NONE"}})
    assert (bool(converted.account), bool(converted.contact), converted.opportunity) == (True, True, "")
    undone = await suite.ask("UndoConversion", name=lead.name)
    assert undone.state == Lead.QUALIFIED


@pytest.mark.parametrize(
    "targets",
    [
        {"account": {"mode": "NONE"}},
        {"contact": {"mode": "LINK"}},
        {"account": {"mode": "AUTO", "name": "accounts/01890000-0000-7000-8000-000000000000"}},
        {"opportunity": {"mode": "LINK", "name": "accounts/01890000-0000-7000-8000-000000000000"}},
        {"opportunity": {"mode": "LINK", "name": "opportunities/nonsense"}},
    ],
)
async def test_targets_that_make_no_sense_are_refused_and_the_lead_stays_qualified(suite, targets):
    lead = await suite.qualified()
    with pytest.raises(InvalidFields):
        await suite.ask("PreviewConversion", name=lead.name, targets=targets)
    with pytest.raises(InvalidFields):
        await suite.lead("ConvertLead", name=lead.name, targets=targets)
    assert (await suite.lead("GetLead", name=lead.name)).state == Lead.QUALIFIED


async def test_records_of_two_accounts_do_not_go_together(suite):
    lead = await suite.qualified()
    _, contact = await suite.customer()
    other, _ = await suite.customer()
    targets = {"account": {"mode": "LINK", "name": other.name}, "contact": {"mode": "LINK", "name": contact.name}}
    with pytest.raises(InvalidFields, match="what is linked"):
        await suite.lead("ConvertLead", name=lead.name, targets=targets)
    targets["account"] = {"mode": "CREATE"}
    with pytest.raises(InvalidFields, match="what is linked"):
        await suite.lead("ConvertLead", name=lead.name, targets=targets)


async def test_a_deal_that_is_won_or_archived_is_not_linked(suite):
    account, contact = await suite.customer()
    won, gone = await suite.deal(account.name, contact.name), await suite.deal(account.name, contact.name)
    await suite.sell("WinOpportunity", name=won.name)
    await suite.sell("ArchiveOpportunity", name=gone.name)
    lead = await suite.qualified()
    for deal, refused in ((won, FailedPrecondition), (gone, InvalidFields)):
        targets = {"opportunity": {"mode": "LINK", "name": deal.name}}
        with pytest.raises(refused):
            await suite.lead("ConvertLead", name=lead.name, targets=targets)


async def test_an_undo_puts_away_what_was_made_and_brings_activities_and_the_lead_back(suite):
    lead = await suite.qualified()
    activity = await suite.activity(lead.name)
    converted = await suite.lead("ConvertLead", name=lead.name, by=ANA)
    await suite.subject_is(activity.name, converted.opportunity)
    undone = await suite.ask("UndoConversion", name=lead.name, by=ANA, note="Грешка")
    assert (undone.state, undone.undone_conversions) == (Lead.QUALIFIED, 1)
    assert [getattr(undone, name) for name in NAMES] == ["", "", ""]
    assert not undone.HasField("close_time")
    assert not undone.HasField("conversion_undo_until")
    for method, name in (("GetAccount", converted.account), ("GetContact", converted.contact)):
        assert (await suite.sell(method, name=name)).HasField("archive_time")
    assert (await suite.sell("GetOpportunity", name=converted.opportunity)).HasField("archive_time")
    await suite.subject_is(activity.name, lead.name)
    assert (await suite.leads.events(lead.name))[-1] == "LeadConversionUndone"


async def test_an_undo_leaves_what_was_linked_as_it_is(suite):
    lead = await suite.qualified()
    account, contact = await suite.customer(email=lead.email)
    converted = await suite.lead("ConvertLead", name=lead.name, targets=BEST)
    await suite.ask("UndoConversion", name=lead.name)
    assert await suite.sell("GetAccount", name=account.name) == account
    assert await suite.sell("GetContact", name=contact.name) == contact
    assert (await suite.sell("GetOpportunity", name=converted.opportunity)).HasField("archive_time")


async def test_a_lead_that_was_brought_back_is_converted_anew_under_the_same_customer_number(suite):
    key = {"system": "sap", "kind": "customer", "id": new_id()}
    lead = await suite.qualified()
    first = await suite.lead("ConvertLead", name=lead.name, account_external_ids=[key])
    await suite.ask("UndoConversion", name=lead.name)
    second = await suite.lead("ConvertLead", name=lead.name, account_external_ids=[key])
    assert second.state == Lead.CONVERTED
    assert all(getattr(first, name) != getattr(second, name) for name in NAMES)
    page = await suite.sell("ListAccounts", filter=f'external_ids : "sap/customer/{key["id"]}"')
    assert [account.name for account in page.accounts] == [second.account]


async def won(suite, lead):
    await suite.sell("WinOpportunity", name=lead.opportunity)
    return lead.opportunity


async def renamed(suite, lead):
    await suite.sell("UpdateAccount", account={"name": lead.account, "website": "https://rosa.example"})
    return lead.account


async def another_deal(suite, lead):
    return (await suite.deal(lead.account, lead.contact)).name


async def another_contact(suite, lead):
    return (await suite.sell("CreateContact", contact={"display_name": "王芳", "account": lead.account})).name


async def a_planned_visit(suite, lead):
    return (await suite.activity(lead.opportunity)).name


async def an_order(suite, lead):
    given = {"account": lead.account, "system": "erp", "order_number": new_id()}
    given["amount"] = {"currency_code": "EUR", "units": 5}
    return (await suite.sell("RecordOrder", order=given)).name


@pytest.mark.parametrize("use", [won, renamed, another_deal, another_contact, a_planned_visit, an_order])
async def test_an_undo_is_refused_and_names_what_stands_in_the_way(suite, use):
    lead = await suite.qualified()
    converted = await suite.lead("ConvertLead", name=lead.name)
    name = await use(suite, converted)
    before = await suite.counts()
    with pytest.raises(FailedPrecondition) as refused:
        await suite.ask("UndoConversion", name=lead.name)
    assert refused.value.metadata["reason"] == "CONVERSION_BUILT_UPON"
    assert name in refused.value.metadata["in_the_way"]
    assert await suite.counts() == before
    assert (await suite.lead("GetLead", name=lead.name)).state == Lead.CONVERTED


# What a crash leaves behind, as the data of both sides then are: leads has not heard what sales did, or has heard it
# and not stored it with the lead.
CRASHES = {"sales was not heard": 0, "the lead was not stored": 1}


async def crashed(suite, lead, kind: str, step: int, **as_before: str) -> None:
    """Puts leads back to where it was when it crashed in that step of its last saga of a kind."""
    row = ", ".join(f"{column} = '{value}'" for column, value in as_before.items())
    await suite.leads.rows(f"UPDATE leads SET {row} WHERE id = $1", id_of(lead.name))
    await suite.leads.rows(
        "UPDATE saga SET step = $3, due_time = now(), data = CASE WHEN $3::int = 0 THEN data - $4::text[] ELSE data END"
        " WHERE id ="
        " (SELECT id FROM saga WHERE subject = $1 AND kind = $2 ORDER BY id DESC LIMIT 1)",
        lead.name,
        kind,
        step,
        list(NAMES),
    )


async def reaches(suite, lead, state) -> Any:
    async def there() -> Any:
        found = await suite.lead("GetLead", name=lead.name)
        return found if found.state == state else None

    return await until(there, f"{lead.name} is {Lead.State.Name(state)}")


@pytest.mark.parametrize("step", CRASHES.values(), ids=CRASHES)
@pytest.mark.parametrize("how", [{}, {"targets": BEST}], ids=["made", "linked"])
async def test_crash_at_each_saga_step_leaves_no_orphan(suite, step, how):
    lead = await suite.qualified()
    await suite.customer(email=lead.email)
    converted = await suite.lead("ConvertLead", name=lead.name, **how)
    before = await suite.counts()
    forgotten = dict.fromkeys(NAMES, "")
    await crashed(suite, lead, "lead_conversion", step, state="CONVERTING", **forgotten)
    again = await reaches(suite, lead, Lead.CONVERTED)
    assert [getattr(again, name) for name in NAMES] == [getattr(converted, name) for name in NAMES]
    assert await suite.counts() == before


async def test_a_conversion_that_crashed_before_sales_was_asked_goes_on(suite, monkeypatch):
    lead, before = await suite.qualified(), await suite.counts()
    with monkeypatch.context() as alone:
        alone.setenv("UPSTREAM_SALES", "")
        alone.setattr(suite.leads.process._neighbours, "_channels", {})
        request = leads_pb2.ConvertLeadRequest(name=lead.name, targets=BEST)
        asked = await suite.leads.call("LeadService/ConvertLead", request, by=ROOT, timeout=1)
        assert asked.state == Lead.CONVERTING
        assert await suite.counts() == before
    await crashed(suite, lead, "lead_conversion", 0, state="CONVERTING")
    await reaches(suite, lead, Lead.CONVERTED)
    assert await suite.counts() == [number + 1 for number in before]


@pytest.mark.parametrize("step", CRASHES.values(), ids=CRASHES)
async def test_an_undo_that_crashed_goes_on_where_it_stopped(suite, step):
    lead, before = await suite.qualified(), await suite.counts()
    converted = await suite.lead("ConvertLead", name=lead.name)
    await suite.ask("UndoConversion", name=lead.name)
    names = {name: getattr(converted, name) for name in NAMES}
    await crashed(suite, lead, "lead_conversion_undo", step, state="CONVERTED", undone_conversions="0", **names)
    undone = await reaches(suite, lead, Lead.QUALIFIED)
    assert (undone.account, undone.undone_conversions) == ("", 1)
    assert await suite.counts() == before


async def test_an_undo_asked_for_many_times_at_once_happens_once(suite):
    lead = await suite.qualified()
    await suite.lead("ConvertLead", name=lead.name)
    calls = (suite.ask("UndoConversion", name=lead.name) for _ in range(4))
    answers = await asyncio.gather(*calls, return_exceptions=True)
    assert all(isinstance(answer, Lead | FailedPrecondition) for answer in answers)
    undone = await suite.lead("GetLead", name=lead.name)
    assert (undone.state, undone.undone_conversions) == (Lead.QUALIFIED, 1)
    assert (await suite.leads.events(lead.name)).count("LeadConversionUndone") == 1


async def test_a_repeated_undo_answers_the_lead_and_leaves_a_later_conversion_alone(suite):
    lead, request_id = await suite.qualified(), new_id()
    await suite.lead("ConvertLead", name=lead.name)
    await suite.ask("UndoConversion", name=lead.name, request_id=request_id)
    await suite.lead("ConvertLead", name=lead.name)
    again = await suite.ask("UndoConversion", name=lead.name, request_id=request_id)
    assert (again.state, again.undone_conversions) == (Lead.CONVERTED, 1)


async def test_the_company_says_for_how_long_a_conversion_can_be_taken_back(suite):
    async def days(number: int) -> None:
        request = leads_pb2.UpdateLeadSettingsRequest(lead_settings={"conversion_undo_days": number})
        request.update_mask.paths.append("conversion_undo_days")
        await suite.leads.call("LeadService/UpdateLeadSettings", request, by=ROOT)

    usual = await suite.lead("ConvertLead", name=(await suite.qualified()).name)
    left = usual.conversion_undo_until.ToDatetime(tzinfo=UTC) - datetime.now(UTC)
    assert timedelta(days=29) < left <= timedelta(days=30)
    await days(0)
    try:
        final = await suite.lead("ConvertLead", name=(await suite.qualified()).name)
        with pytest.raises(FailedPrecondition, match="CONVERSION_IS_FINAL"):
            await suite.ask("UndoConversion", name=final.name)
    finally:
        await days(30)
    assert (await suite.ask("UndoConversion", name=usual.name)).state == Lead.QUALIFIED


async def test_what_was_said_to_a_lead_is_on_the_customers_timeline_until_the_conversion_is_taken_back(suite):
    lead = await suite.qualified()
    said = interactions_pb2.LogInteractionRequest(name=lead.name, kind="CHAT", note="Колко струва?")
    await suite.leads.call("InteractionService/LogInteraction", said, by=ANA)
    account, _ = await suite.customer(email=lead.email)
    await suite.lead("ConvertLead", name=lead.name, targets=BEST)

    async def told(*types: str) -> bool:
        return set(types) <= set(await suite.timeline(account.name))

    await until(lambda: told("LeadCreated", "LeadContacted", "LeadConverted"), "the story came along")
    await suite.ask("UndoConversion", name=lead.name)

    async def gone() -> bool:
        types = await suite.timeline(account.name)
        return "LeadConversionUndone" in types and not {"LeadCreated", "LeadContacted"} & set(types)

    await until(gone, "the story went back with the lead")


async def test_a_preview_says_so_while_sales_is_away(suite, monkeypatch):
    lead = await suite.qualified()
    monkeypatch.setenv("UPSTREAM_SALES", "")
    monkeypatch.setattr(suite.leads.process._neighbours, "_channels", {})
    with pytest.raises(Unavailable):
        await suite.ask("PreviewConversion", name=lead.name)
