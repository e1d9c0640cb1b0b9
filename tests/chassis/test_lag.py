"""How far behind a service is, as Prometheus reads it: events not yet published, and events that wait for it."""

import asyncio
import dataclasses
import re
import urllib.request

from chassis.events import every, on
from crm.directory.v1 import events_pb2 as directory_events
from harness import definition, until
from lead_calls import create
from team_events import a_team, created, publish

MAY_GO_ON = asyncio.Event()


@on(directory_events.TeamCreated, keep=every)
async def take_time(event, work):
    await MAY_GO_ON.wait()


async def numbers(running, name: str) -> list[float]:
    """The values of a metric, over all its labels."""
    address = f"http://{running.admin_address}/metrics"
    text = await asyncio.to_thread(lambda: urllib.request.urlopen(address, timeout=5).read().decode())
    return [float(value) for value in re.findall(rf"^{name}(?:{{.*}})? (\S+)$", text, re.MULTILINE)]


async def test_the_age_of_the_oldest_unpublished_event_grows_while_nobody_hears_of_it(broker, starting):
    leads = await starting()
    with broker.outage("nats"):
        await create(leads)

        async def old() -> bool:
            [age] = await numbers(leads, "crm_outbox_oldest_seconds")
            return age >= 0.5

        await until(old, "the event is half a second old")
        await create(leads)
        assert await old(), "the age is the oldest one's"

    async def none_waits() -> bool:
        return await numbers(leads, "crm_outbox_oldest_seconds") == [0.0]

    await until(none_waits, "everything is published")


async def test_events_that_wait_for_a_service_are_counted_until_it_has_taken_them_in(broker, starting):
    MAY_GO_ON.clear()
    leads = await starting(defined=dataclasses.replace(definition("leads"), reactions=(take_time,)))
    await publish(broker, *(created(a_team()) for _ in range(3)))

    async def wait() -> bool:
        return sum(await numbers(leads, "crm_events_waiting")) >= 3

    await until(wait, "three wait")
    MAY_GO_ON.set()

    async def none_waits() -> bool:
        return sum(await numbers(leads, "crm_events_waiting")) == 0

    await until(none_waits, "they are taken in")
