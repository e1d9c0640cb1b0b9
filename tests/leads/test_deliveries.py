"""Notifications as e-mails and short messages, over gRPC on a real database, by real servers."""

import asyncio
import json
from datetime import UTC, datetime, timedelta

import pytest
from chassis.errors import DatabaseAway, FailedPrecondition, InvalidArgument, NotFound
from crm.directory.v1 import calendars_pb2, directory_pb2
from crm.directory.v1 import events_pb2 as directory_events
from crm.leads.v1 import deliveries_pb2, leads_pb2, notifications_pb2
from crm.leads.v1 import events_pb2 as lead_events
from google.protobuf.json_format import ParseDict
from harness import PEOPLE, Person, start, until
from lead_calls import create
from leads import delivering
from outgoing_servers import JsonServer, MailServer

State = deliveries_pb2.NotificationDelivery.State
Kind = notifications_pb2.Notification.Kind
ROUND_THE_CLOCK = {"only_at_work": False}


@pytest.fixture
def mail(monkeypatch):
    server = MailServer()
    monkeypatch.setenv("SMTP_URL", f"smtp://{server.address}")
    monkeypatch.setenv("MAIL_FROM", "crm@rosa.example")
    monkeypatch.setenv("LEAD_URL", "https://crm.rosa.example/leads/{id}")
    yield server
    server.close()


@pytest.fixture
def web(monkeypatch):
    server = JsonServer()
    gateway = {"url": server.url, "body": {"to": "{to}", "text": "{text}", "id": "{id}"}}
    monkeypatch.setenv("SMS_GATEWAY", json.dumps(gateway))
    yield server
    server.close()


@pytest.fixture
async def desk(backend, issuer, mail, monkeypatch):
    monkeypatch.setattr(delivering, "LOOK_SECONDS", 0.05)
    running = await start("leads", backend, issuer, PEOPLE)
    for person in ("ana", "boris", "mira"):
        await lives_at(running, person, f"{person}@rosa.example")
    yield running
    await running.stop()


async def lives_at(desk, person, email):
    user = directory_pb2.User(name=f"users/{person}", display_name=person.title(), email=email)
    user.state, user.roles[:], user.team = directory_pb2.User.ACTIVE, ["salesperson"], "teams/north"
    await desk.react(directory_events.UserUpdated(user=user), subject=user.name)


async def given(desk, owner="users/ana", **fields):
    made = await create(desk, by="users/root", owner=owner, **fields)
    await desk.react(lead_events.LeadAssigned(lead=made), version=1, actor="users/root")
    return made


async def prefer(desk, person="ana", by="", **fields):
    wanted = deliveries_pb2.NotificationPreferences(name=f"notificationPreferences/{person}", **fields)
    request = deliveries_pb2.UpdateNotificationPreferencesRequest(notification_preferences=wanted)
    request.update_mask.paths.extend(fields)
    return await desk.call("DeliveryService/UpdateNotificationPreferences", request, by=by or f"users/{person}")


async def preferences(desk, person="ana", by=""):
    request = deliveries_pb2.GetNotificationPreferencesRequest(name=f"notificationPreferences/{person}")
    return await desk.call("DeliveryService/GetNotificationPreferences", request, by=by or f"users/{person}")


async def deliveries(desk, by="users/root", **asked):
    request = deliveries_pb2.ListNotificationDeliveriesRequest(**asked)
    answer = await desk.call("DeliveryService/ListNotificationDeliveries", request, by=by)
    return list(answer.notification_deliveries)


async def due_now(desk):
    """What waits has waited long enough; whoever looked a moment ago has lost the race."""
    await desk.rows(
        "UPDATE notification_deliveries SET due_time = now(), version = version + 1 WHERE due_time IS NOT NULL"
    )


async def came_to(desk, *states, **asked):
    """All deliveries, as soon as these are their states, newest first."""

    async def there():
        found = await deliveries(desk, **asked)
        return found if [one.state for one in found] == list(states) else []

    return await until(there, f"deliveries are {[State.Name(one) for one in states]}")


async def test_whoever_is_given_a_lead_gets_one_letter_and_the_log_says_so(desk, mail):
    made = await given(desk, display_name="Мария Колева", company="Фурна Роза")
    (one,) = await came_to(desk, State.SENT)
    (letter,) = mail.taken
    assert mail.to == [["ana@rosa.example"]]
    assert letter["Subject"] == "You were given a lead: Мария Колева, Фурна Роза"
    assert f"https://crm.rosa.example/{made.name}" in letter.get_content()
    assert letter["Message-ID"] == f"<{one.message}@rosa.example>"
    assert (one.tries, one.lead, one.owner, one.kind, one.error) == (1, made.name, "users/ana", Kind.LEAD_ASSIGNED, "")
    assert await desk.events(one.name) == ["NotificationDelivered"]


@pytest.mark.parametrize(
    ("language", "said"),
    [("bg", "Възложен ви е"), ("pt", "Foi-lhe atribuído"), ("zh", "您有一条新分配的线索"), ("en", "You were given")],
)
async def test_everybody_is_written_to_in_their_language(desk, mail, language, said):
    await prefer(desk, language=language)
    await given(desk, display_name="李小龙")
    await came_to(desk, State.SENT)
    assert mail.taken[0]["Subject"].startswith(said)
    assert "李小龙" in mail.taken[0].get_content()


async def test_what_the_server_cannot_take_now_goes_later_as_the_same_message(desk, mail):
    mail.answers += ["451 busy"]
    await given(desk)
    (waits,) = await came_to(desk, State.WAITING)

    async def tried():
        return [one for one in await deliveries(desk) if one.tries == 1 and one.state == State.WAITING]

    (waits,) = await until(tried, "it was tried once")
    assert waits.error == "SMTP 451"
    assert timedelta(seconds=25) < waits.due_time.ToDatetime(UTC) - datetime.now(UTC) <= timedelta(seconds=30)
    await due_now(desk)
    (sent,) = await came_to(desk, State.SENT)
    first, second = mail.taken
    assert first["Message-ID"] == second["Message-ID"] == f"<{sent.message}@rosa.example>"
    assert (sent.tries, sent.error) == (2, "")


async def test_what_is_refused_is_seen_by_its_person_and_an_administrator_and_can_be_tried_again(desk, mail):
    mail.recipient = "550 ana@rosa.example is unknown"
    await given(desk)
    (one,) = await came_to(desk, State.FAILED)
    assert (one.error, one.HasField("due_time")) == ("SMTP 550", False)
    assert await desk.events(one.name) == ["NotificationDeliveryFailed"]
    assert await deliveries(desk, by="users/ana", filter="state = FAILED") == [one]
    retry = deliveries_pb2.RetryNotificationDeliveryRequest(name=one.name)
    for other in ("users/boris", "users/mira"):
        assert await deliveries(desk, by=other) == []
        with pytest.raises(NotFound):
            await desk.call("DeliveryService/RetryNotificationDelivery", retry, by=other)
    mail.recipient = ""
    await desk.call("DeliveryService/RetryNotificationDelivery", retry, by="users/ana")
    await came_to(desk, State.SENT)
    told = ["NotificationDeliveryFailed", "NotificationDeliveryRetried", "NotificationDelivered"]
    assert await desk.events(one.name) == told
    with pytest.raises(FailedPrecondition, match="DELIVERY_NOT_FAILED"):
        await desk.call("DeliveryService/RetryNotificationDelivery", retry, by="users/ana")


async def test_who_has_no_address_is_not_written_to_and_the_log_says_why(desk, mail):
    await given(desk, owner="users/chen")
    (one,) = await came_to(desk, State.FAILED)
    assert one.error == "NO_ADDRESS"


async def test_nobody_is_sent_what_they_do_not_want(desk, mail):
    await prefer(desk, email_kinds=[Kind.SLA_BREACHED])
    await given(desk)
    assert await deliveries(desk) == []


async def test_beyond_the_limit_of_an_hour_the_rest_comes_together(desk, mail):
    await prefer(desk, most_per_hour=1, **ROUND_THE_CLOCK)
    await given(desk)
    await came_to(desk, State.SENT)
    for name in ("Б", "В"):
        await given(desk, display_name=name)

    async def put_off():
        found = await deliveries(desk, filter="state = WAITING")
        hour = datetime.now(UTC) + timedelta(minutes=50)
        return len(found) == 2 and all(one.due_time.ToDatetime(UTC) > hour for one in found)

    await until(put_off, "the rest waits for the hour to pass")
    assert len(mail.taken) == 1
    await desk.rows(
        "UPDATE notification_deliveries SET try_time = try_time - interval '1 hour' WHERE try_time IS NOT NULL"
    )
    await due_now(desk)
    found = await came_to(desk, State.SENT, State.SENT, State.SENT)
    assert found[0].message == found[1].message != found[2].message
    assert len(mail.taken) == 2
    assert mail.taken[1]["Subject"] == "News of your leads: 2"


async def never_at_work(desk):
    """A calendar whose only hour is long over on every day of the week but not now: they begin in some hours."""
    begins = datetime.now(UTC) + timedelta(hours=3)
    day = begins.strftime("%A").upper()
    hours = {"start": begins.strftime("%H:00"), "end": begins.strftime("%H:59")}
    version = {"validFrom": {"year": 2020, "month": 1, "day": 1}, "weekly": [{"days": [day], **hours}]}
    calendar = {"name": "calendars/default", "timeZone": "UTC", "versions": [version]}
    event = directory_events.CalendarUpdated(calendar=ParseDict(calendar, calendars_pb2.Calendar()))
    await desk.react(event, subject="calendars/default")
    return begins.replace(minute=0, second=0, microsecond=0)


async def test_who_is_not_at_work_is_left_in_peace_unless_they_want_otherwise(desk, mail):
    begins = await never_at_work(desk)
    await prefer(desk, "boris", **ROUND_THE_CLOCK)
    await given(desk, owner="users/ana")
    await given(desk, owner="users/boris")
    await came_to(desk, State.SENT, filter='owner = "users/boris"')

    async def put_off():
        (one,) = await deliveries(desk, filter='owner = "users/ana"')
        return one.due_time.ToDatetime(UTC) == begins

    await until(put_off, "hers waits until she is at work")
    assert mail.to == [["boris@rosa.example"]]


@pytest.mark.parametrize("why", ["READ", "PASSED_ON", "NOT_ACTIVE"])
async def test_what_is_of_no_use_any_more_is_not_sent(desk, mail, why):
    await never_at_work(desk)
    made = await given(desk)
    request = notifications_pb2.ListNotificationsRequest()
    (told,) = (await desk.call("NotificationService/ListNotifications", request, by="users/ana")).notifications
    if why == "READ":
        read = notifications_pb2.MarkNotificationReadRequest(name=told.name)
        await desk.call("NotificationService/MarkNotificationRead", read, by="users/ana")
    elif why == "PASSED_ON":
        given_on = leads_pb2.AssignLeadRequest(name=made.name, owner="users/boris")
        await desk.call("LeadService/AssignLead", given_on, by="users/root")
    else:
        await desk.know(Person("users/ana", ("salesperson",), "teams/north", active=False))
    await due_now(desk)
    (one,) = await came_to(desk, State.DROPPED)
    assert one.error == why
    assert mail.taken == []


async def test_two_replicas_and_many_notifications_send_each_once(desk, mail, backend, issuer):
    """Both look all the time; nobody gets anything twice."""
    await prefer(desk, most_per_hour=60, **ROUND_THE_CLOCK)
    other = await start("leads", backend, issuer, PEOPLE, database=desk.database)
    try:
        await asyncio.gather(*(given(desk, display_name=f"L{number}") for number in range(12)))
        found = await came_to(desk, *[State.SENT] * 12)
    finally:
        await other.stop()
    assert (
        len({letter["Message-ID"] for letter in mail.taken}) == len(mail.taken) == len({one.message for one in found})
    )
    said = "".join(letter.get_content() for letter in mail.taken)
    assert [said.count(f": L{number}\n") + said.count(f": L{number}\r\n") for number in range(12)] == [1] * 12


async def test_who_dies_while_sending_is_followed_by_another_with_the_same_message(desk, mail):
    """It was claimed, handed in or not, and nothing was noted."""
    await never_at_work(desk)
    await given(desk)
    claimed = "UPDATE notification_deliveries SET state = 'SENDING', message = 'm-1', tries = 1, version = version + 1"
    await desk.rows(claimed)
    await prefer(desk, **ROUND_THE_CLOCK)
    await due_now(desk)
    (one,) = await came_to(desk, State.SENT)
    assert (one.message, one.tries) == ("m-1", 2)
    assert mail.taken[0]["Message-ID"] == "<m-1@rosa.example>"


async def test_what_ends_every_process_that_sends_it_is_given_up(desk, mail):
    await never_at_work(desk)
    await given(desk)
    claimed = "UPDATE notification_deliveries SET state = 'SENDING', message = 'm-1', tries = 10, version = version + 1"
    await desk.rows(claimed)
    await prefer(desk, **ROUND_THE_CLOCK)
    await due_now(desk)
    (one,) = await came_to(desk, State.FAILED)
    assert one.error == "GAVE_UP"
    assert mail.taken == []


async def test_a_fault_of_ours_for_one_person_holds_up_nobody_else(desk, mail, monkeypatch):
    whole = delivering._letter

    async def breaks(message, to, chosen, wanted, *more):
        if wanted.owner == "users/ana":
            raise RuntimeError("ours")
        return await whole(message, to, chosen, wanted, *more)

    monkeypatch.setattr(delivering, "_letter", breaks)
    await given(desk, owner="users/ana")
    await given(desk, owner="users/boris")
    await came_to(desk, State.SENT, filter='owner = "users/boris"')
    (hers,) = await deliveries(desk, filter='owner = "users/ana"')
    assert hers.state == State.WAITING


async def test_preferences_are_ones_own_and_say_their_defaults(desk):
    hers = await preferences(desk)
    assert (hers.name, hers.owner, hers.etag) == ("notificationPreferences/ana", "users/ana", "0")
    assert (hers.only_at_work, list(hers.email_kinds)) == (True, [1, 2, 3, 4, 5])
    for other in ("users/boris", "users/mira"):
        with pytest.raises(NotFound):
            await preferences(desk, by=other)
        with pytest.raises(NotFound):
            await prefer(desk, by=other, language="bg")
    with pytest.raises(NotFound):
        await preferences(desk, "nobody", by="users/root")
    changed = await prefer(desk, phone_number="+359 888 123 456", language="zh")
    assert (changed.phone_number, changed.language, changed.only_at_work) == ("+359888123456", "zh", True)
    assert await preferences(desk, by="users/root") == changed
    assert await desk.events(changed.name) == ["NotificationPreferencesUpdated"]
    for wrong in ({"phone_number": "me"}, {"language": "de"}, {"most_per_hour": 61}, {"email_kinds": [0]}):
        with pytest.raises(InvalidArgument):
            await prefer(desk, **wrong)


async def test_without_a_mail_server_nothing_is_kept_for_it(backend, issuer, monkeypatch):
    monkeypatch.delenv("SMTP_URL", raising=False)
    desk = await start("leads", backend, issuer, PEOPLE)
    try:
        await given(desk)
        assert await desk.rows("SELECT 1 FROM notifications")
        assert await desk.rows("SELECT 1 FROM notification_deliveries") == []
    finally:
        await desk.stop()


async def test_a_short_message_goes_to_whoever_gave_a_number(web, backend, issuer, monkeypatch):
    monkeypatch.setattr(delivering, "LOOK_SECONDS", 0.05)
    desk = await start("leads", backend, issuer, PEOPLE)
    try:
        await given(desk)
        assert await deliveries(desk) == []
        await prefer(desk, phone_number="+359888123456", sms_kinds=[Kind.LEAD_ASSIGNED])
        web.answers.append((503, {}, b""))
        await given(desk, display_name="Иван")

        async def tried():
            return [one for one in await deliveries(desk) if one.error == "HTTP 503"]

        (waits,) = await until(tried, "the gateway was asked in vain")
        await due_now(desk)
        (one,) = await came_to(desk, State.SENT)
    finally:
        await desk.stop()
    assert waits.message == one.message
    assert [body for _, _, _, body in web.asked] == [
        {"to": "+359888123456", "text": "You were given a lead: Иван", "id": one.message}
    ] * 2


async def test_what_happened_to_a_message_is_noted_when_the_database_is_back(desk, mail, monkeypatch):
    """The mail server took it; the note of that fails at first."""
    whole, failures = delivering._each_of, [DatabaseAway()]

    async def lost(*given):
        if failures:
            raise failures.pop()
        await whole(*given)

    monkeypatch.setattr(delivering, "_each_of", lost)
    monkeypatch.setattr(delivering, "NOTE_SECONDS", 0.01)
    await given(desk)
    (one,) = await came_to(desk, State.SENT)
    assert failures == []
    assert (len(mail.taken), one.tries) == (1, 1)
