"""What leads does when others speak: it knows who has which account, wakes nurtured leads, and
follows each lead with a clock, by its own events, and hears what the service desk is told of products."""

from chassis.events import Event, Statement, every, latest, on
from chassis.work import Work
from crm.directory.v1 import custom_fields_pb2
from crm.directory.v1 import events_pb2 as directory_events
from crm.leads.v1 import events_pb2 as lead_events
from crm.leads.v1 import interactions_pb2
from crm.marketing.v1 import events_pb2 as marketing_events
from crm.sales.v1 import events_pb2 as sales_events
from crm.service_desk.v1 import events_pb2 as service_desk_events

from leads import (
    cadencing,
    call_tables,
    delivery_tables,
    duplicate_tables,
    enriching,
    enrichment_tables,
    follow_up_tables,
    listening,
    looking,
    merging,
    notifying,
    nurture_tables,
    own_data_tables,
    prospect_tables,
    responding,
    score_tables,
    tables,
    waking,
)
from leads.domain.account_key import account_key
from leads.domain.interaction import InteractionKind
from leads.domain.lead import Lead
from leads.domain.match_settings import COMPARATORS
from leads.domain.notification import NotificationKind
from leads.domain.response import HISTORY
from leads.domain.state import WakeCause

ACCOUNT_EVENTS = (
    sales_events.AccountCreated,
    sales_events.AccountUpdated,
    sales_events.AccountBecameCustomer,
    sales_events.AccountArchived,
    sales_events.AccountRestored,
)


@on(*ACCOUNT_EVENTS, keep=latest)
def know_accounts_owner(event: sales_events.AccountUpdated, _: Event) -> Statement:
    """An archived account is nobody's."""
    account = event.account
    owner = "" if account.HasField("archive_time") else account.owner
    return tables.PUT_ACCOUNT_OWNER, account.name, account_key(account.display_name), owner


@on(marketing_events.MaterialLinkCreated, marketing_events.MaterialLinkArchived, keep=latest)
def know_who_shares_what(event: marketing_events.MaterialLinkCreated, _: Event) -> Statement:
    """Also of one that was withdrawn: a form that was opened before may still be sent."""
    link = event.material_link
    return tables.PUT_MATERIAL_LINK, link.name, link.material, link.owner


@on(marketing_events.AddressSuppressed, marketing_events.SuppressionLifted, keep=latest)
def know_who_is_not_written_to(event: marketing_events.AddressSuppressed, _: Event) -> Statement:
    """By keyed hashes: prospects with such an address lose it, also those of people who were erased."""
    lifted = event.suppression.HasField("lift_time")
    return prospect_tables.LIFT if lifted else prospect_tables.SUPPRESS, event.suppression.name


@on(marketing_events.TouchRecorded, keep=every)
async def wake_by_touch(event: marketing_events.TouchRecorded, work: Work) -> None:
    rows = await work.rows(tables.TOUCHED, journey=event.touch.journey_id) if event.touch.journey_id else []
    for lead in await work.find(Lead, id=[str(row["id"]) for row in rows]) if rows else []:
        await waking.wake(lead, WakeCause.TOUCH, work.event.event_time, work)


@on(directory_events.CustomFieldArchived, directory_events.CustomFieldRestored, keep=latest)
def score_without_the_field(event: directory_events.CustomFieldArchived, _: Event) -> Statement:
    """Rules that ask of a field give no points while it is archived: all live leads are scored again."""
    return (score_tables.SWEEP_IF, event.custom_field.resource == custom_fields_pb2.CustomField.LEAD)


@on(lead_events.LeadScored, keep=every, among=tables.SCORES_ASLEEP)
async def wake_by_score(event: lead_events.LeadScored, work: Work) -> None:
    score = event.lead_score
    await waking.wake_by_score(score.lead, event.previous_band, score.band, work.event.event_time, work)


# Whatever happens to a lead.
LEAD_EVENTS = [
    getattr(lead_events, message.name)
    for message in lead_events.DESCRIPTOR.message_types_by_name.values()
    if message.fields[0].name == "lead" and message.name not in ("LeadCalled", "LeadContacted")
]


@on(*LEAD_EVENTS, keep=every, among=follow_up_tables.FOLLOWED)
async def follow_the_lead(event: lead_events.LeadUpdated, work: Work) -> None:
    await responding.follow(event.lead.name, work)
    await cadencing.follow(event.lead.name, work)


@on(lead_events.LeadCalled, keep=every)
async def note_the_call(event: lead_events.LeadCalled, work: Work) -> None:
    await responding.follow(event.lead.name, work, contact=work.event.event_time)
    await cadencing.contacted(event.lead.name, InteractionKind.CALL, work.event.event_time, work)


@on(lead_events.LeadContacted, keep=every)
async def note_the_contact(event: lead_events.LeadContacted, work: Work) -> None:
    """Ours answers the clock, and is the doing of a step; theirs is the answer that a cadence is for."""
    name, at = event.lead.name, work.event.event_time
    if event.interaction.direction == interactions_pb2.Interaction.OUTBOUND:
        await responding.follow(name, work, contact=at)
        await cadencing.contacted(name, InteractionKind(event.interaction.kind), at, work)
    else:
        await responding.follow(name, work)
        await cadencing.replied(name, at, work)


@on(lead_events.LeadAssigned, keep=latest)
def hand_over_the_story(event: lead_events.LeadAssigned, _: Event) -> Statement:
    """Whoever gets a lead sees what was before."""
    return follow_up_tables.HAND_OVER_INTERACTIONS, event.lead.name, event.lead.owner, event.lead.team


@on(lead_events.LeadAssigned, keep=every)
async def tell_the_new_owner(event: lead_events.LeadAssigned, work: Work) -> None:
    """Whoever takes a lead knows it; whoever is given one by somebody else, or by a rule, is told. What came with its
    history, or is read again by a later release, is no news."""
    if event.lead.owner != work.event.actor and work.now - work.event.event_time < HISTORY:
        await notifying.tell(event.lead.owner, NotificationKind.LEAD_ASSIGNED, event.lead.name, work)


@on(
    directory_events.UserCreated,
    directory_events.UserUpdated,
    directory_events.UserDeactivated,
    directory_events.UserReactivated,
    keep=latest,
)
def know_address(event: directory_events.UserUpdated, _: Event) -> Statement:
    """Where e-mails to a person go."""
    return delivery_tables.PUT_ADDRESSEE, event.user.name, event.user.email


@on(lead_events.LeadMerged, keep=every)
async def gather_what_was_written_beside(event: lead_events.LeadMerged, work: Work) -> None:
    await merging.gather(event.lead.name, event.lead_merge, work)


@on(lead_events.LeadCreated, keep=every)
async def enrich_the_new_lead(event: lead_events.LeadCreated, work: Work) -> None:
    """One that came with its history, in an import, asks nobody by itself: sources may cost money."""
    if work.now - work.event.event_time < HISTORY:
        await enriching.plan(event.lead.name, work)


@on(lead_events.LeadAssigned, keep=latest)
def hand_over_the_enrichment(event: lead_events.LeadAssigned, _: Event) -> Statement:
    return enrichment_tables.HAND_OVER, event.lead.name, event.lead.owner, event.lead.team


# By these a lead gets another owner, or none.
HANDED_OVER = (
    *(lead_events.LeadAssigned, lead_events.LeadRejected, lead_events.LeadRecycled, lead_events.LeadWoken),
    *(lead_events.LeadReopened, lead_events.LeadsJoined, lead_events.LeadsParted, lead_events.LeadUnmerged),
)


@on(*HANDED_OVER, keep=latest)
def hand_over_the_calls(event: lead_events.LeadAssigned, _: Event) -> Statement:
    return call_tables.HAND_OVER, event.lead.name, event.lead.owner, event.lead.team


@on(*HANDED_OVER, keep=latest)
def hand_over_the_link(event: lead_events.LeadAssigned, _: Event) -> Statement:
    return own_data_tables.HAND_OVER, event.lead.name, event.lead.owner, event.lead.team


# By these a lead leaves the path it is on, or is back on it.
FROM_OR_TO_PEACE = (
    *(lead_events.LeadWoken, lead_events.LeadDisqualified, lead_events.LeadMerged, lead_events.LeadUnmerged),
    *(lead_events.LeadsJoined, lead_events.LeadsParted),
)


@on(*FROM_OR_TO_PEACE, keep=latest)
def follow_the_path(event: lead_events.LeadWoken, told: Event) -> Statement:
    return nurture_tables.FOLLOW, event.lead.name, told.event_time, isinstance(event, lead_events.LeadWoken)


@on(directory_events.UserDeactivated, keep=latest)
def release_the_calls(event: directory_events.UserDeactivated, _: Event) -> Statement:
    """What they promised is kept by others: see calling.py."""
    return call_tables.RELEASE_OF, event.user.name


@on(
    lead_events.LeadCreated,
    lead_events.LeadUpdated,
    lead_events.LeadsJoined,
    keep=every,
    among=duplicate_tables.SHARE_SOMETHING,
)
async def look_for_duplicates(event: lead_events.LeadUpdated, work: Work) -> None:
    """Of what came with its history, too: an import is where most are."""
    if isinstance(event, lead_events.LeadCreated) or COMPARATORS.keys() & set(event.fields):
        await looking.keep_pairs(event.lead.name, work)


@on(service_desk_events.ProductFeedbackCreated, service_desk_events.ProductFeedbackUpdated, keep=latest)
async def listen_to_feedback(event: service_desk_events.ProductFeedbackUpdated, work: Work) -> None:
    """A lead is asked for when it is recorded, or when that is changed; an erasure that changes texts asks for none."""
    told, created = event.product_feedback, isinstance(event, service_desk_events.ProductFeedbackCreated)
    asked = created or "lead_wanted" in event.fields
    await listening.note(told, work, lead_wanted=told.lead_wanted and asked)
