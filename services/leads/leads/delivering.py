"""Sends what people are told, as e-mails and short messages: each once, when they want it and not too often.

A delivery is claimed in one transaction, sent outside of any, and noted in another. Whoever dies in between is followed
by another one after the lease, with the same message id.
"""

import asyncio
from collections.abc import Callable, Sequence
from datetime import datetime
from functools import partial

from chassis.business_time import HorizonExceeded
from chassis.errors import CrmError, DatabaseAway
from chassis.persons import Person
from chassis.telemetry import log
from chassis.unattended import forgetting, unattended
from chassis.values import id_of, new_id, utc_now
from chassis.work import Context, Work
from chassis.writing import LostRace

from leads import delivery_tables
from leads.domain.delivery import (
    HOUR,
    LEASE,
    MOST_TRIES,
    NotificationDelivery,
    NotificationPreferences,
    Way,
    next_message,
)
from leads.domain.lead import Lead
from leads.domain.notification import Notification, NotificationKind, NotificationState
from leads.domain.wording import News, letter, short, subject
from leads.outgoing.outside import OutsideAway, OutsideRefused
from leads.outgoing.providers import Letter, Outgoing, Provider, outgoing

LOOK_SECONDS = 2.0
NOTE_SECONDS = 1.0
OF_THE_OWNER = {NotificationKind.LEAD_ASSIGNED, NotificationKind.RESPONSE_DUE, NotificationKind.CADENCE_STEP_DUE}
OF_THE_OWNER |= {NotificationKind.OWN_DATA_UPDATED}
PRUNE = (
    "DELETE FROM notification_deliveries WHERE id IN (SELECT id FROM notification_deliveries"
    " WHERE create_time < now() - interval '90 days' ORDER BY create_time LIMIT 10000) RETURNING 1"
)


async def plan(told: Notification, work: Work) -> None:
    """A delivery for each way that is set up and that the person wants."""
    ways = outgoing().providers
    if not ways:
        return
    wanted = await preferences_of(told.owner, work)
    for way in ways:
        if wanted.wants(told.kind, way):
            work.add(
                NotificationDelivery(
                    notification=told.name, lead=told.lead, owner=told.owner, team=told.team, kind=told.kind, way=way,
                    due_time=work.now,
                )
            )  # fmt: skip


async def preferences_of(person: str, work: Work) -> NotificationPreferences:
    """As said, else the defaults."""
    default = NotificationPreferences.of(person)
    return await work.find_one(NotificationPreferences, id=default.id) or default


async def deliver(context: Context) -> None:
    """Sends for as long as the process lives, each way by itself: one that hangs holds up no other."""
    await asyncio.gather(*(_look(context, way) for way in outgoing().providers))


async def _look(context: Context, way: Way) -> None:
    while True:
        try:
            while await deliver_next(context, way, outgoing()):
                pass
        except Exception as away:
            log.warning("messages wait: %s", away if isinstance(away, CrmError) else type(away).__name__)
        await asyncio.sleep(LOOK_SECONDS)


async def deliver_next(context: Context, way: Way, how: Outgoing) -> bool:
    """Turns to whoever has waited longest; whether there was somebody."""
    query = delivery_tables.NEXT_ADDRESSEE
    rows = await context.database.fetch(query.sql, query.arguments({"way": way.name, "now": utc_now()}))
    if not rows:
        return False
    person, claimed = rows[0]["owner"], None
    try:
        claimed = await unattended(context, "messages due", partial(_claim, person, way, how))
    except LostRace:
        pass  # somebody else is at it
    except DatabaseAway:
        raise
    except Exception as wrong:
        log.error("messages to %s cannot be made: %s", person, type(wrong).__name__, exc_info=wrong)
        await context.database.fetch(delivery_tables.PUT_OFF_ADDRESSEE, [person, way.name])
    if claimed:
        await _send(claimed, how.providers[way], context)
    return True


async def _send(claimed: Letter, provider: Provider, context: Context) -> None:
    why, for_good = "", False
    try:
        await provider.send(claimed)
    except OutsideAway as away:
        why = str(away)
    except OutsideRefused as refused:
        why, for_good = str(refused), True
    except Exception as wrong:  # a fault of ours: tried again, and seen
        log.error("a message could not be sent: %s", type(wrong).__name__)
        why = type(wrong).__name__

    def note(one: NotificationDelivery, work: Work) -> None:
        if told := one.failed(why, work.now, for_good=for_good) if why else one.sent(work.now):
            work.emit(told)

    until = utc_now() + LEASE / 2
    while True:
        try:
            await unattended(context, "messages sent", partial(_each_of, claimed.id, note))
            return
        except (LostRace, CrmError) as again:
            if utc_now() > until:
                log.warning("a message is sent again: what became of it could not be noted")
                return
            log.info("noted again: %s", type(again).__name__)
        await asyncio.sleep(NOTE_SECONDS)


async def _each_of(message: str, change: Callable[[NotificationDelivery, Work], None], work: Work) -> None:
    rows = await work.context.database.fetch(delivery_tables.OF_MESSAGE, [message], work.connection)
    for one in await work.find(NotificationDelivery, id=[str(row["id"]) for row in rows]):
        change(one, work)


async def _claim(person: str, way: Way, how: Outgoing, work: Work) -> Letter | None:
    """What goes to them now, if something does. What is of no use any more is dropped, what is too early put off."""
    await work.context.database.fetch(delivery_tables.HOLD_ADDRESSEE, [f"{way.name} {person}"], work.connection)
    rows = await work.rows(delivery_tables.DUE_DELIVERIES, owner=person, way=way.name, now=work.now)
    due = await work.find(NotificationDelivery, id=[str(row["id"]) for row in rows]) if rows else []
    due = await _worth_it(due, person, work)
    if not due:
        return None
    wanted = await preferences_of(person, work)
    to = wanted.phone_number if way is Way.SMS else await _address(person, work)
    if not to:
        _give_up(due, "NO_ADDRESS", work)
        return None
    if (later := await _allowed_from(wanted, way, due, work)) > work.now:
        for one in due:
            one.put_off(later)
        return None
    chosen = next_message(due)
    if chosen[0].tries >= MOST_TRIES:  # whoever was at it never came to an end
        _give_up(chosen, "GAVE_UP", work)
        return None
    message = chosen[0].message or new_id()
    for one in chosen:
        one.claim(message, work.now)
    return await _letter(message, to, chosen, wanted, how, work)


def _give_up(given: Sequence[NotificationDelivery], why: str, work: Work) -> None:
    for one in given:
        if told := one.failed(why, work.now, for_good=True):
            work.emit(told)


async def _worth_it(due: list[NotificationDelivery], person: str, work: Work) -> list[NotificationDelivery]:
    """Without what was read meanwhile, and without leads that somebody else has by now."""
    member = await work.members.named(person)
    told = await work.find(Notification, id=[id_of(one.notification) for one in due])
    read = {one.name for one in told if one.state is NotificationState.READ}
    owners = {lead.name: lead.owner for lead in await work.find(Lead, id=[id_of(one.lead) for one in due])}
    kept = []
    for one in due:
        if member is None or not member.active:
            one.drop("NOT_ACTIVE")
        elif one.notification in read:
            one.drop("READ")
        elif one.kind in OF_THE_OWNER and owners.get(one.lead) != person:
            one.drop("PASSED_ON")
        else:
            kept.append(one)
    return kept


async def _allowed_from(
    wanted: NotificationPreferences, way: Way, due: Sequence[NotificationDelivery], work: Work
) -> datetime:
    """When they may be sent something: within the limit of an hour, and when they are at work. A repeated message has
    its place within the limit already."""
    at = work.now
    if not any(one.message for one in due):
        given = {"owner": wanted.owner, "way": way.name, "since": at - HOUR}
        rows = await work.rows(delivery_tables.SENT_LATELY, **given)
        at = wanted.allowed_from([row["try_time"] for row in rows], at)
    if not wanted.only_at_work:
        return at
    try:
        return (await work.calendars.of(wanted.owner)).next_at_work(at)
    except HorizonExceeded:
        return at  # never at work, says the calendar; the message shall not wait for ever


async def _address(person: str, work: Work) -> str:
    rows = await work.context.database.fetch(delivery_tables.ADDRESS_OF, [person], work.connection)
    return rows[0]["email"] if rows else ""


async def forget(person: Person, work: Work) -> int:
    """Where e-mails to somebody went who is erased; how many rows. Directory's events would do the same, but bring
    nothing to a copy of yesterday."""
    given = [person.records]
    return len(await work.context.database.fetch(delivery_tables.FORGET_ADDRESSEES, given, work.connection))


async def _letter(
    message: str,
    to: str,
    chosen: Sequence[NotificationDelivery],
    wanted: NotificationPreferences,
    how: Outgoing,
    work: Work,
) -> Letter:
    zone = (await work.calendars.of(wanted.owner)).hours.zone
    leads = {lead.name: lead for lead in await work.find(Lead, id=[id_of(one.lead) for one in chosen])}
    told = {one.name: one for one in await work.find(Notification, id=[id_of(one.notification) for one in chosen])}
    news = []
    for one in sorted(chosen, key=lambda delivery: delivery.id):
        lead, notification = leads.get(one.lead), told.get(one.notification)
        due = notification.due_time if notification else None
        news.append(
            News(
                kind=one.kind,
                display_name=lead.display_name if lead else "",
                company=lead.company if lead else "",
                due=due.astimezone(zone) if due else None,
                link=how.lead_url.replace("{id}", id_of(one.lead)),
            )
        )
    language = wanted.language or how.language
    text = short(news, language) if chosen[0].way is Way.SMS else letter(news, language)
    return Letter(message, to, subject(news, language), text)


CHORES = (deliver, forgetting("deliveries of notifications", PRUNE))
