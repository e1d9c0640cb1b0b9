"""What comes in becomes leads, over gRPC on a real database."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest
from chassis.errors import FailedPrecondition, InvalidFields, NotFound, PermissionDenied
from chassis.values import new_id
from crm.leads.v1 import captures_pb2, leads_pb2
from harness import Person

CAPTURE = captures_pb2.Capture
LETTER = "From: {sender}\nSubject: Oven\nMessage-ID: <{key}@x.example>\n{more}\nPlease call {phone}."


def a_number() -> str:
    """A German number no other test uses."""
    return f"+4930{int(new_id()[-6:], 16) % 10_000_000:07}"


async def capture(leads, by="users/root", **fields):
    return await leads.call("CaptureService/CaptureLead", captures_pb2.CaptureLeadRequest(**fields), by=by)


async def quick(leads, text, by="users/root", **fields):
    return await capture(leads, by=by, quick_entry={"text": text}, **fields)


async def email(leads, sender, key="", more="", phone="", **fields):
    raw = LETTER.format(sender=sender, key=key or new_id(), more=f"{more}\n" if more else "", phone=phone)
    return await capture(leads, email={"message": raw.encode()}, **fields)


async def lead_of(leads, captured, by="users/root"):
    return await leads.call("LeadService/GetLead", leads_pb2.GetLeadRequest(name=captured.lead), by=by)


async def get(leads, captured, by="users/root"):
    request = captures_pb2.GetCaptureRequest(name=captured.name)
    return await leads.call("CaptureService/GetCapture", request, by=by)


async def test_a_line_becomes_a_lead(leads):
    number = a_number()
    made = await quick(leads, f"Ана Петрова, Роза ООД, {number}, иска фурна")
    assert made.state == CAPTURE.CREATED
    lead = await lead_of(leads, made)
    assert (lead.display_name, lead.company, lead.phone, lead.note) == ("Ана Петрова", "Роза ООД", number, "иска фурна")
    assert lead.phone_e164 == number
    assert await leads.events(made.name) == ["LeadCaptured"]
    assert await leads.events(made.lead) == ["LeadCreated"]
    assert await get(leads, made) == made


async def test_a_preview_keeps_nothing(leads):
    before = await leads.rows("SELECT count(*) AS n FROM captures")
    shown = await quick(leads, "张伟 13812345678", validate_only=True)
    assert (shown.name, shown.display_name, shown.phone, shown.lead) == ("", "张伟", "13812345678", "")
    assert await leads.rows("SELECT count(*) AS n FROM captures") == before


async def test_what_is_said_wins_over_what_is_read(leads):
    made = await quick(leads, "Ana Petrova", fields={"company": "Rosa", "channel": "fair"})
    lead = await lead_of(leads, made)
    assert (lead.display_name, lead.company, lead.channel) == ("Ana Petrova", "Rosa", "channels/fair")


async def test_whoever_is_known_already_gets_what_is_new_added(leads):
    number = a_number()
    first = await quick(leads, f"Ana Petrova, {number}, wants an oven")
    shown = await quick(leads, f"Ana, {number}", validate_only=True)
    assert shown.lead == first.lead
    again = await quick(leads, f"A. Petrova, Rosa Ltd, {number}, wants two")
    assert (again.state, again.lead) == (CAPTURE.ADDED, first.lead)
    lead = await lead_of(leads, again)
    assert (lead.display_name, lead.company) == ("Ana Petrova", "Rosa Ltd")
    assert lead.note == "wants an oven\n\nwants two"
    assert await leads.events(first.lead) == ["LeadCreated", "LeadUpdated"]


async def test_a_web_form_keeps_the_page_the_referrer_and_the_campaign(leads):
    page = "https://us.example/ovens?utm_source=google&utm_campaign=spring"
    form = {
        "values": {"name": "Ana", "email": "web@rosa.example"},
        "page_url": page,
        "referrer_url": "https://g.example/",
    }
    journey = new_id()
    made = await capture(leads, web_form=form, journey_id=journey, capture_key="submission-1")
    assert (made.page_url, made.referrer_url) == (page, "https://g.example/")
    assert dict(made.campaign) == {"source": "google", "campaign": "spring"}
    assert (await lead_of(leads, made)).journey_id == made.journey_id == journey
    assert await capture(leads, web_form=form, capture_key="submission-1") == made


async def test_the_same_thing_that_comes_in_at_once_is_taken_in_once(leads):
    form = {"values": {"email": f"{new_id()}@rosa.example"}}
    key = new_id()
    made = await asyncio.gather(*(capture(leads, web_form=form, capture_key=key) for _ in range(6)))
    assert len({one.name for one in made}) == len({one.lead for one in made}) == 1


async def test_a_chat_without_a_number_is_refused_kept_and_repaired(leads):
    lines = [{"by_visitor": False, "text": "Your number?"}, {"by_visitor": True, "text": "later"}]
    refused = await capture(leads, chat={"lines": lines})
    assert (refused.state, refused.lead) == (CAPTURE.REFUSED, "")
    assert refused.reason.startswith("phone:")
    listed = await leads.call(
        "CaptureService/ListCaptures", captures_pb2.ListCapturesRequest(filter="state = REFUSED AND kind = CHAT")
    )
    assert refused.name in [one.name for one in listed.captures]
    again = captures_pb2.RetryCaptureRequest(name=refused.name)
    assert (await leads.call("CaptureService/RetryCapture", again, by="users/root")).state == CAPTURE.REFUSED
    number = a_number()
    repair = captures_pb2.RepairCaptureRequest(name=refused.name, fields={"phone": number})
    repaired = await leads.call("CaptureService/RepairCapture", repair, by="users/root")
    assert repaired.state == CAPTURE.CREATED
    assert (await lead_of(leads, repaired)).phone == number
    with pytest.raises(FailedPrecondition):
        await leads.call("CaptureService/RetryCapture", again, by="users/root")
    assert (await leads.events(refused.name))[-1] == "LeadCaptured"


async def test_a_chat_that_yields_a_number_becomes_a_lead(leads):
    number = a_number()
    made = await capture(
        leads, chat={"lines": [{"by_visitor": True, "text": f"call {number}"}], "page_url": "https://x"}
    )
    lead = await lead_of(leads, made)
    assert (lead.display_name, lead.phone, lead.note) == (number, number, f"> call {number}")


async def test_what_the_contract_would_refuse_is_refused_with_the_path(leads):
    made = await capture(leads, web_form={"values": {"email": "nobody", "name": "Ana"}})
    assert made.state == CAPTURE.REFUSED
    assert made.reason.startswith("email:")


async def test_an_email_becomes_a_lead_once(leads):
    key, sender = new_id(), f"{new_id()}@rosa.example"
    made = await email(leads, f"Ana Petrova <{sender}>", key=key, phone="+49 30 7654321")
    lead = await lead_of(leads, made)
    assert (lead.display_name, lead.email, lead.phone) == ("Ana Petrova", sender, "+49 30 7654321")
    assert made.message_id == f"<{key}@x.example>"
    assert await email(leads, f"Ana Petrova <{sender}>", key=key, phone="+49 30 7654321") == made


async def test_an_answer_belongs_to_the_lead_of_its_thread_whoever_writes_it(leads):
    first, sender = new_id(), new_id()
    made = await email(leads, f"{sender}@rosa.example", key=first)
    more = f"In-Reply-To: <{first}@x.example>"
    answer = await email(leads, f"other-{sender}@rosa.example", more=more)
    assert (answer.state, answer.lead) == (CAPTURE.ADDED, made.lead)
    assert (await lead_of(leads, made)).email == f"{sender}@rosa.example"


async def test_what_a_machine_wrote_is_refused(leads):
    made = await email(leads, "MAILER-DAEMON@x.example")
    assert (made.state, made.reason) == (CAPTURE.REFUSED, "email: was sent by a machine")


async def test_a_customers_word_is_kept_with_the_customer(leads):
    customer = f"contacts/{new_id()}"
    made = await capture(leads, referral={"referred_by": customer}, fields={"display_name": "Boris"})
    assert (made.referred_by, made.state) == (customer, CAPTURE.CREATED)


async def test_a_closed_lead_is_not_added_to(leads):
    number = a_number()
    first = await quick(leads, f"Ana, {number}")
    await leads.call("LeadService/DisqualifyLead", leads_pb2.DisqualifyLeadRequest(name=first.lead, reason="no_budget"))
    assert (await quick(leads, f"Ana, {number}")).state == CAPTURE.CREATED


async def test_a_lead_beyond_reach_is_as_good_as_none(leads):
    number = a_number()
    first = await quick(leads, f"Ana, {number}", by="users/boris")
    second = await quick(leads, f"Ana, {number}", by="users/chen")
    assert second.state == CAPTURE.CREATED
    assert second.lead != first.lead
    with pytest.raises(NotFound):
        await get(leads, first, by="users/chen")


async def test_whoever_is_given_the_lead_sees_what_came_in(leads):
    made = await quick(leads, "Ana Petrova")
    with pytest.raises(NotFound):
        await get(leads, made, by="users/chen")
    request = leads_pb2.AssignLeadRequest(name=made.lead, owner="users/chen")
    await leads.call("LeadService/AssignLead", request, by="users/root")
    assert (await get(leads, made, by="users/chen")).lead == made.lead


async def test_a_web_site_brings_leads_and_reads_none(leads):
    await leads.know(Person("serviceAccounts/site", ("website",)))
    made = await capture(leads, by="serviceAccounts/site", web_form={"values": {"email": f"{new_id()}@rosa.example"}})
    assert made.state == CAPTURE.CREATED
    assert (await lead_of(leads, made)).owner == ""
    for reading in (get(leads, made, by="serviceAccounts/site"), lead_of(leads, made, by="serviceAccounts/site")):
        with pytest.raises(PermissionDenied):
            await reading


@pytest.mark.parametrize("fields", [{}, {"quick_entry": {"text": ""}}, {"chat": {}}, {"email": {"message": b""}}])
async def test_nothing_is_not_taken_in(leads, fields):
    with pytest.raises(InvalidFields):
        await capture(leads, **fields)


async def test_a_capture_of_the_day_after_tomorrow_is_refused(leads):
    with pytest.raises(InvalidFields):
        await quick(leads, "Ana", contact_time=datetime.now(UTC) + timedelta(days=2))


async def test_a_number_is_the_same_however_it_is_written(leads):
    """In whatever way somebody writes it, and as it was kept before numbers were read."""
    number = a_number()
    first = await quick(leads, f"Ana, {number[:3]} (0)30 {number[5:]}")
    assert (await lead_of(leads, first)).phone_e164 == number
    assert (await quick(leads, f"Ana, {number}")).lead == first.lead
    national = f"030{number[5:]}"
    old = await quick(leads, f"Old, {national}")
    assert old.lead != first.lead  # this company has no country: nobody can know
    await leads.rows("UPDATE leads SET phone_e164 = '' WHERE id = $1", old.lead.removeprefix("leads/"))
    assert (await quick(leads, f"Old, 030-{number[5:]}")).lead == old.lead
