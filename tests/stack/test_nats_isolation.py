"""Every service's NATS user tries every door, and the administrator looks whether anything moved."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from itertools import product
from typing import Any

import nats
import pytest
from chassis.settings import SERVICES, package
from chassis.stack import nats_server
from chassis.stack.nats_accounts import ADMIN, permissions
from chassis.stack.nats_server import NatsServer
from chassis.stack.ports import free_port
from chassis.testing import Backend
from harness import until
from nats.aio.client import Client

from chassis import streams

OTHERS = {service: next(name for name in SERVICES if name != service) for service in SERVICES}
TARGETS = (
    "crm.{other}.v1.Forged",
    "$JS.API.STREAM.DELETE.crm-{name}",
    "$JS.API.STREAM.PURGE.crm-{name}",
    "$JS.API.CONSUMER.DELETE.crm-{name}.insights",
    "_INBOX_{name}.answer",
)


@pytest.fixture(scope="module")
def broker(servers: Backend) -> Backend:
    """All streams, and everybody's durables."""
    asyncio.run(streams.make(servers.nats_url))
    return servers


class User:
    """A connection and the refusals it was told, as the subjects they were about."""

    def __init__(self) -> None:
        self.client, self.refused, self.heard = Client(), [], []

    async def told(self, error: Exception) -> None:
        words = str(error).split('"')
        self.refused.append(words[1] if len(words) > 1 else str(error))

    async def was_refused(self, subjects: list[str]) -> None:
        """All of them and nothing else; the client tells refusals in lower case, one after the other."""

        async def all_told() -> bool:
            return len(self.refused) >= len(subjects)

        await self.client.flush()
        await until(all_told, "every refusal is told")
        assert sorted(self.refused) == sorted(subject.lower() for subject in subjects)

    async def hear(self, message: Any) -> None:
        self.heard.append(message)


@asynccontextmanager
async def user(url: str, name: str) -> AsyncIterator[User]:
    found = User()
    await found.client.connect(url, inbox_prefix=f"_INBOX_{name}".encode(), error_cb=found.told)
    try:
        yield found
    finally:
        await found.client.close()


async def picture(admin: Client, but: str = "") -> str:
    """Everything there is to change: streams, how many messages they hold, durables and how far they are. Whatever was
    asked of the server before has been done by then. `but` leaves out one service's own."""
    await admin.jetstream().add_stream(name="scratch", subjects=["scratch"])  # waits its turn among such requests
    await admin.jetstream().delete_stream("scratch")
    found = {}
    for one in await admin.jetstream().streams_info():
        if one.config.name == f"crm-{but}":
            continue
        durables = await admin.jetstream().consumers_info(str(one.config.name))
        found[one.config.name] = [
            str(one.config),
            one.state.messages,
            one.state.last_seq,
            [str(durable.config) for durable in durables],
            [(durable.name, durable.delivered, durable.ack_floor) for durable in durables if durable.name != but],
        ]
    return json.dumps(found, default=str, sort_keys=True, indent=1)


def doors(service: str) -> list[str]:
    """Subjects that are none of this service's business."""
    found = ["$JS.API.STREAM.NAMES", "$JS.API.STREAM.LIST", "$SYS.REQ.SERVER.PING", "$SYS.REQ.ACCOUNT.PING.CONNZ"]
    found += ["$JS.API.STREAM.CREATE.mine", "$JS.API.ACCOUNT.PURGE.suite", "$JS.API.META.LEADER.STEPDOWN", "anything"]
    for name in SERVICES:
        on, owned = f"crm-{name}", name == service
        verbs = ["STREAM.CREATE", "STREAM.UPDATE", "STREAM.DELETE", "STREAM.PURGE", "STREAM.SNAPSHOT", "STREAM.RESTORE"]
        verbs += ["CONSUMER.NAMES", "CONSUMER.LIST", "STREAM.PEER.REMOVE", "STREAM.LEADER.STEPDOWN", "DIRECT.GET"]
        verbs += [] if owned else ["STREAM.MSG.GET", "STREAM.MSG.DELETE"]
        found += [f"$JS.API.{verb}.{on}" for verb in verbs]
        found += [f"$JS.API.CONSUMER.CREATE.{on}.{service}", f"$JS.API.CONSUMER.DURABLE.CREATE.{on}.{service}"]
        found += [f"$JS.API.CONSUMER.DELETE.{on}.{service}", f"$JS.API.CONSUMER.PAUSE.{on}.{service}"]
        found += [] if owned else [f"crm.{package(name)}.v1.Forged", f"_INBOX_{name}.x"]
        for durable in SERVICES:
            if durable != service:
                found += [f"$JS.API.CONSUMER.MSG.NEXT.{on}.{durable}", f"$JS.API.CONSUMER.INFO.{on}.{durable}"]
                found += [f"$JS.ACK.{on}.{durable}.1.1.1.1.0", f"$JS.ACK.{on}.{durable}.1.{service}.7.1.0"]
                found += [f"$JS.ACK._.hash.{on}.{durable}.1.1.1.1.0", f"$JS.ACK.{on}.{durable}.1.1.1.1.0.{service}.1"]
    return found


@pytest.mark.parametrize("service", SERVICES)
async def test_a_service_is_refused_at_every_door_that_is_not_its_own(broker: Backend, service: str) -> None:
    async with user(broker.nats_url, ADMIN) as admin, user(broker.nats_url_for(service), service) as intruder:
        await admin.client.jetstream().publish(f"crm.{package(OTHERS[service])}.v1.Something", b"theirs")
        before = await picture(admin.client)
        for door in doors(service):
            await intruder.client.publish(door, b"+NXT" if "ACK" in door else b"", reply=f"_INBOX_{service}.x")
        await intruder.was_refused(doors(service))
        assert await picture(admin.client) == before
        print(f"{service}: {len(doors(service))} doors")


@pytest.mark.parametrize("service", SERVICES)
async def test_a_service_hears_nothing_but_the_answers_to_itself(broker: Backend, service: str) -> None:
    ears = [">", "*.>", "crm.>", "$JS.>", "$SYS.>", "_R_.>", "_INBOX.>", "$JS.ACK.>", "$JS.EVENT.>"]
    ears += [f"crm.{package(name)}.v1.>" for name in SERVICES]
    ears += [f"_INBOX_{name}.>" for name in SERVICES if name != service]
    other = OTHERS[service]
    async with user(broker.nats_url_for(service), service) as listener, user(broker.nats_url_for(other), other) as one:
        for ear in ears:
            await listener.client.subscribe(ear, cb=listener.hear)
        await listener.was_refused(ears)
        await one.client.jetstream().publish(f"crm.{package(other)}.v1.Something", b"theirs")
        await one.client.jetstream().stream_info(f"crm-{other}")
        await listener.client.flush()
        assert listener.heard == []


async def deputised(service: str, admin: User, intruder: User) -> None:
    """The intruder asks what it may, and has the answers sent where it may not."""
    name = OTHERS[service]
    targets = [target.format(other=package(name), name=name) for target in TARGETS]
    own = [durable for durable in await durables_of(admin.client, service) if durable != f"crm-{service}"]
    asked = [(f"$JS.API.STREAM.INFO.crm-{service}", b""), ("$JS.API.INFO", b""), (f"crm.{package(service)}.v1.X", b"")]
    asked += [(f"$JS.API.CONSUMER.MSG.NEXT.{stream}.{service}", b'{"batch":1,"no_wait":true}') for stream in own]
    for _ in range(2):  # the first pull may bring a message; the second brings the empty word that nothing is left
        for (subject, body), target in product(asked, targets):
            await intruder.client.publish(subject, body, reply=target)
    await intruder.client.flush()
    for stream in own:  # answered after those before it
        pulled = await intruder.client.jetstream().pull_subscribe_bind(durable=service, stream=stream)
        with suppress(nats.errors.Error, TimeoutError):  # nothing is left
            while True:
                for message in await pulled.fetch(100, timeout=0.3):
                    await message.ack()


async def durables_of(admin: Client, service: str) -> list[str]:
    """The streams with a durable of the service."""
    found = [str(one.config.name) for one in await admin.jetstream().streams_info()]
    return [name for name in found if service in [one.name for one in await admin.jetstream().consumers_info(name)]]


@pytest.mark.parametrize("service", SERVICES)
async def test_the_server_does_not_do_for_a_service_what_it_may_not_do_itself(broker: Backend, service: str) -> None:
    """JetStream answers with its own rights wherever a request says."""
    other = OTHERS[service]
    async with (
        user(broker.nats_url, ADMIN) as admin,
        user(broker.nats_url_for(service), service) as intruder,
        user(broker.nats_url_for(other), other) as victim,
    ):
        await victim.client.subscribe(f"_INBOX_{other}.answer", cb=victim.hear)
        before = await picture(admin.client, but=service)
        await deputised(service, admin, intruder)
        assert await picture(admin.client, but=service) == before
        await victim.client.flush()
        assert victim.heard == []


async def test_permissions_without_accounts_would_not_keep_a_service_from_deleting_a_stream(tmp_path, monkeypatch):
    """The same attack on a server that has the permissions only: what the test above would see if it were so."""

    def together(passwords: dict[str, str]) -> dict[str, Any]:
        users: list[dict[str, Any]] = [{"user": ADMIN, "password": passwords[ADMIN]}]
        users += [{"user": name, "password": passwords[name], "permissions": permissions(name)} for name in SERVICES]
        return {"suite": {"jetstream": "enabled", "users": users}}

    monkeypatch.setattr(nats_server, "accounts", together)
    passwords = dict.fromkeys((ADMIN, *SERVICES), "secret")
    server = NatsServer(tmp_path / "nats", free_port(), passwords, tmp_path / "log", durable=False)
    await server.start()
    try:
        await streams.make(server.url())
        async with user(server.url(), ADMIN) as admin, user(server.url("sales"), "sales") as intruder:
            before = await picture(admin.client, but="sales")
            await deputised("sales", admin, intruder)
            assert await picture(admin.client, but="sales") != before
    finally:
        await server.stop()


@pytest.mark.parametrize("service", SERVICES)
async def test_a_service_can_do_all_it_needs(broker: Backend, service: str) -> None:
    async with user(broker.nats_url, ADMIN) as admin, user(broker.nats_url_for(service), service) as worker:
        jetstream, own = worker.client.jetstream(), f"crm-{service}"
        await jetstream.account_info()
        sent = await jetstream.publish(f"crm.{package(service)}.v1.Something", b"ours", headers={"ce-id": "1"})
        kept = await jetstream.get_msg(own, sent.seq)
        assert (kept.data, kept.headers) == (b"ours", {"ce-id": "1"})
        assert await jetstream.delete_msg(own, sent.seq)
        needed = await durables_of(admin.client, service)
        assert needed == sorted(f"crm-{name}" for name in SERVICES if streams.subjects(service, name))
        for stream in needed:
            subject = streams.subjects(service, stream.removeprefix("crm-"))[0].replace(">", "Something")
            lost = (await jetstream.consumer_info(stream, service)).num_ack_pending  # by the attacks of other tests
            pulled = await jetstream.pull_subscribe_bind(durable=service, stream=stream)
            wanted = f"something for {service} of {stream}".encode()
            await admin.client.jetstream().publish(subject, wanted)
            messages = []
            while not messages or messages[-1].data != wanted:
                messages += await pulled.fetch(1, timeout=5)
            await messages[-1].in_progress()
            await messages[-1].nak()
            while messages[-1].metadata.num_delivered == 1 or messages[-1].data != wanted:
                messages += await pulled.fetch(1, timeout=5)
            for message in messages:
                if not message.is_acked:
                    await message.ack_sync()
            known = await jetstream.consumer_info(stream, service)
            assert known.num_ack_pending <= lost
            assert known.num_pending == 0
            assert (await jetstream.stream_info(stream)).state.messages
        assert worker.refused == []
