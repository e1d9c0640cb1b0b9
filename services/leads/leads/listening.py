"""Listens to the service desk: keeps who said something of a product, and takes in who is no lead yet, if asked to."""

from chassis.convert import moment
from chassis.work import Work
from crm.service_desk.v1 import product_feedback_pb2 as pb

from leads import capturing, feedback_tables
from leads.domain.capture import LONGEST_RECEIVED, Capture, Kind
from leads.phones import digits, e164


async def note(told: pb.ProductFeedback, work: Work, *, lead_wanted: bool) -> None:
    """`lead_wanted`: whether a lead is asked for just now; nobody is taken in twice."""
    person = {
        "contact": told.contact,
        "email": told.email,
        "phone": digits(e164(told.phone, work.context.company_country) or told.phone),
    }
    kinds = pb.ProductFeedback.Kind
    await work.execute(
        feedback_tables.PUT_FEEDBACK,
        told.name,
        told.product,
        kinds.Name(told.kind) if told.kind in kinds.values() else "",  # one of a later release is asked for by nobody
        moment(told.feedback_time, "feedback_time"),
        told.account,
        *person.values(),
        told.journey_id or None,
    )
    if lead_wanted and not await work.rows(feedback_tables.PERSON_KNOWN, **person):
        await _take_in(told, work)


async def _take_in(told: pb.ProductFeedback, work: Work) -> None:
    """By the way of all that comes in: what no lead can be made of is kept with the reason."""
    capture = Capture(
        kind=Kind.FEEDBACK,
        owner=told.owner,
        team=told.team,
        journey_id=told.journey_id,
        capture_key=told.name,
        referred_by=told.contact or told.account,
        received=told.text[:LONGEST_RECEIVED],
        display_name=told.display_name,
        email=told.email,
        phone=told.phone,
        note=told.text,
        product=told.product,
        contact_time=moment(told.feedback_time, "feedback_time"),
    )
    if await capturing.known(capture, work) is None:
        work.add(capture)
        await capturing.carry_out(await capturing.plan(capture, work), capture, work)
