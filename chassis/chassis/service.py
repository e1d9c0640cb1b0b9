"""A service process: its parts wired together, started, and drained when told to stop.

`run(Service(...))` is all a service's __main__ has to say.
"""

import asyncio
import contextlib
import gc
import logging
import os
import signal
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import grpc.aio
import uvloop
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection
from nats.aio.client import Client
from opentelemetry.sdk.trace import TracerProvider
from sqlalchemy import Table

from chassis import calendars, copies, custom_fields, members, release, telemetry, tls
from chassis.admin import Admin
from chassis.audit import Audit
from chassis.audit_log import AuditService
from chassis.consumer import Consumer
from chassis.credentials import Credentials
from chassis.database import Database
from chassis.erasing import Forgetting
from chassis.errors import CrmError, DatabaseAway
from chassis.event_log import EventLogService
from chassis.events import Reaction
from chassis.feed import Feed, watched
from chassis.inbox import Inbox
from chassis.operating import Operating
from chassis.operations import Task
from chassis.outbox import Relay
from chassis.personal_data import PersonalDataService
from chassis.records import mappers
from chassis.rpc import MOST_CALLS, Edge, methods_of
from chassis.rpc_client import Neighbours
from chassis.saga import Saga, Sagas
from chassis.schema import behind
from chassis.sealing import Sealing
from chassis.settings import SERVICES, Settings, package, stop
from chassis.telemetry import log
from chassis.timers import Timer, Timers
from chassis.tokens import Tokens
from chassis.volume import Volume
from chassis.work import Context

# The edge answers clearly from rpc.MOST_CALLS on; gRPC itself, with fewer words, when even that would be too much work.
MOST_RPCS = 4 * MOST_CALLS
DRAIN_SECONDS = 5  # for calls under way
CLEAN_SECONDS = 3600
HEALTH_SECONDS = 1.0
SERVING = health_pb2.HealthCheckResponse.SERVING
CLEAN_REQUESTS = "DELETE FROM request WHERE create_time < now() - interval '24 hours'"
LAG_SECONDS = 1.0  # Prometheus waits for the other numbers meanwhile
GRPC_OPTIONS = [
    ("grpc.so_reuseport", 0),  # a taken port is an error, not a shared port
    ("grpc.max_receive_message_length", 8 * 1024 * 1024),
    ("grpc.max_metadata_size", 32 * 1024),  # as at the gateway; from 8 KB on the default refuses at random
    # Or a new replica is never used. gRPC lets it differ a little, so that not all come again at once.
    ("grpc.max_connection_age_ms", 1000 * int(os.environ.get("GRPC_MAX_CONNECTION_AGE_SECONDS", "300"))),
    ("grpc.max_connection_age_grace_ms", 330_000),  # longer than a watch lasts: none is cut
]


@dataclass(frozen=True)
class Service:
    """What makes one service different from the others."""

    name: str
    rpcs: Sequence[Any]  # servicers; each has `descriptor`
    tables: Mapping[Any, Table]  # record class → its table
    reactions: Sequence[Reaction] = ()
    sagas: Sequence[Saga] = ()
    timers: Sequence[Timer] = ()
    tasks: Sequence[Task] = ()  # what it does in the background for those who ask
    on_start: Sequence[Any] = field(default=())  # async (context) -> None, before the first call
    chores: Sequence[Any] = field(default=())  # async (context) -> None, for as long as the process lives
    forgetting: Forgetting = field(default=Forgetting())  # what an erasure means here besides


def run(service: Service) -> None:
    """Runs until SIGTERM or SIGINT, then drains and exits 0; 1 if it could not go on."""

    async def main() -> int:
        return await Process(service, Settings.read(), telemetry.start(service.name)).main()

    sys.exit(uvloop.run(main()))


class Process:
    """One service at work. Tests start it inside their own event loop."""

    def __init__(self, service: Service, settings: Settings, provider: TracerProvider) -> None:
        self._service, self._settings, self._provider = service, settings, provider
        self._database = Database(settings.database_url, settings.pool_size, settings.database_url_direct)
        self._members = members.Members(self._database, settings.bootstrap_admin)
        self._neighbours = Neighbours(Credentials(settings), service.name, settings.grpc_address)
        self.context = Context(
            service.name,
            self._database,
            self._members,
            mappers(service.tables),
            settings.page_token_key,
            settings.privacy_key,
            self._neighbours,
            Audit(self._database),
            calendars.Calendars(self._database),
            custom_fields.CustomFields(self._database),
            self._told,
            Feed(service.name, self._database, watched(service.rpcs)),
            settings.company_zone,
            settings.company_country,
        )
        self._inbox = Inbox(self.context, [*copies.REACTIONS, *service.reactions])
        self._sagas = Sagas(self.context, list(service.sagas), self._neighbours)
        self._timers = Timers(self.context, service.timers)
        self._operating = Operating(self.context, [task for task in service.tasks if not task.ask])
        self._asking = Operating(self.context, [task for task in service.tasks if task.ask])  # nobody waits for it
        servicers = [
            *service.rpcs,
            EventLogService(self._inbox),
            AuditService(),
            PersonalDataService(service.forgetting, self._in_flight),
        ]
        methods = methods_of((servicer.descriptor, servicer) for servicer in servicers)
        self._tokens = Tokens(settings)
        self._volume = Volume(settings, self.context.audit)
        self._edge = Edge(self.context, self._tokens, self._sagas, methods, self._volume)
        self._services = [servicer.descriptor.full_name for servicer in servicers]
        self._client = Client()
        self._relay: Relay | None = None
        self._consumers: list[Consumer] = []
        self._health = health.aio.HealthServicer()
        self._admin = Admin(self.missing, self.metrics)
        self._server = grpc.aio.server(options=GRPC_OPTIONS, maximum_concurrent_rpcs=MOST_RPCS)
        self._background: asyncio.Task[None] | None = None
        self._told_to_stop = asyncio.Event()
        self._draining = asyncio.Event()
        self.exit_code = 0
        self._not_serving = "the schema was not checked yet"

    def _told(self) -> None:
        if self._relay:
            self._relay.wake()

    async def _in_flight(self, since: str) -> int:
        """Events on their way here that were published before this was first asked with `since`; more than none also
        if that is not known."""
        if not self._client.is_connected:
            return 1
        return sum([await consumer.in_flight(since) for consumer in self._consumers])

    async def main(self) -> int:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._told_to_stop.set)
        await self.start()
        await self._told_to_stop.wait()
        await self.drain()
        return self.exit_code

    async def start(self) -> None:
        """Takes the ports and begins to serve as soon as the database is there."""
        try:
            self._server.add_generic_rpc_handlers(self._edge.handlers())
            health_pb2_grpc.add_HealthServicer_to_server(self._health, self._server)
            reflection.enable_server_reflection([*self._services, reflection.SERVICE_NAME], self._server)
            await self._admin.start(self._settings.admin_address)
            tls.listen(self._server, self._settings.grpc_address)
        except (OSError, RuntimeError) as taken:
            where = f"GRPC_ADDRESS={self._settings.grpc_address}, ADMIN_ADDRESS={self._settings.admin_address}"
            stop(f"{self._service.name} cannot listen ({where}): {taken}")
        self._background = asyncio.create_task(self._open_and_serve())
        self._background.add_done_callback(self._ended)

    def _ended(self, background: "asyncio.Task[None]") -> None:
        """Nothing serves in the background any more: unless we drain, the starter shall begin again."""
        if not self._draining.is_set() and not background.cancelled():
            log.critical("%s cannot go on", self._service.name, exc_info=background.exception())
            self._told_to_stop.set()
            self.exit_code = 1

    async def _open_and_serve(self) -> None:
        """Waits for the database, then serves; NATS may come later: writes succeed and their events follow."""
        while not self._draining.is_set():
            try:
                await self._database.open()
                missing = await behind(self._database, package(self._service.name))
                if not missing:
                    break
                await self._database.close()
            except Exception as away:
                missing = f"the database cannot be used: {away or type(away).__name__}"
            self._not_serving = missing
            log.warning("waiting: %s", missing)
            await asyncio.sleep(0.5)
        if custom := any("custom" in mapper.casts for mapper in self.context.mappers.values()):
            await self.context.custom_fields.look()
        for prepare in self._service.on_start:
            await prepare(self.context)
        await self._server.start()
        gc.collect()
        gc.freeze()  # what is loaded by now stays; looking through it again and again costs several per cent
        gc.set_threshold(20_000, 20, 50)
        self._not_serving = ""
        log.info("%s serves on %s", self._service.name, self._settings.grpc_address)
        await asyncio.gather(
            self._tokens.keys.run(),
            self._events(),
            self._sagas.run(),
            self._timers.run(),
            self._operating.run(),
            self._asking.run(),
            self._clean(),
            self._mirror_readiness(),
            self.context.audit.run(),
            Sealing(self._database).run(),
            *([self.context.custom_fields.run()] if custom else []),
            self.context.feed.run(),
            *(chore(self.context) for chore in self._service.chores),
        )

    async def _events(self) -> None:
        """Relay and consumers, once NATS is there."""
        prefix = f"_INBOX_{self._service.name}"
        while not self._client.is_connected and not self._draining.is_set():
            try:
                await self._client.connect(
                    self._settings.nats_url,
                    name=self._service.name,
                    inbox_prefix=prefix.encode(),
                    max_reconnect_attempts=-1,
                    reconnect_time_wait=1,
                    connect_timeout=2,
                    error_cb=_nats_error,
                )
            except Exception as away:
                log.warning("NATS is away (%s); events wait in the outbox", away or type(away).__name__)
                await asyncio.sleep(1)
                self._client = Client()
        self._relay = Relay(self._service.name, self._database, self._client, self.context.feed.wake)
        producers = [name for name in SERVICES if any(reaction.subjects(name) for reaction in self._inbox.reactions)]
        self._consumers = [Consumer(self._inbox, self.context, name, self._client) for name in producers]
        await asyncio.gather(self._relay.run(), *(consumer.run() for consumer in self._consumers))

    async def _clean(self) -> None:
        """Request ids are kept for 24 hours."""
        while True:
            try:
                await self._database.fetch(CLEAN_REQUESTS, [])
            except Exception as away:
                log.warning("old request ids stay for now: %s", away or type(away).__name__)
            await asyncio.sleep(CLEAN_SECONDS)

    async def _mirror_readiness(self) -> None:
        """gRPC health says what /readyz says."""
        while not self._draining.is_set():
            status = health_pb2.HealthCheckResponse.NOT_SERVING if await self.missing() else SERVING
            await self._health.set("", status)
            await asyncio.sleep(HEALTH_SECONDS)

    async def missing(self) -> str:
        """What keeps this process from serving; empty if nothing does. NATS is not on the list: without it writes
        still succeed, and a fleet that turns itself off helps nobody."""
        if self._draining.is_set():
            return "draining"
        if self._not_serving:
            return self._not_serving
        try:
            await self._database.fetch("SELECT 1", [])
        except CrmError as away:
            return str(away)
        return ""

    async def metrics(self) -> str:
        lines = [
            *release.told(),
            f"crm_pool_size {self._settings.pool_size}",
            f"crm_nats_connected {int(self._client.is_connected)}",
            f"crm_calls_under_way {self._edge.under_way}",
            f"crm_watches {self._edge.watches.open.total()}",
            f"crm_feed_reads_total {self.context.feed.reads}",
            f"crm_tasks {len(asyncio.all_tasks())}",
        ]
        lines += [
            f'crm_calls_total{{method="{method}",code="{code}"}} {count}'
            for (method, code), count in sorted(self._edge.calls.items())
        ]
        lines += ["# TYPE crm_tokens_refused_total counter"]  # has no line before the first
        lines += [
            f'crm_tokens_refused_total{{reason="{why}"}} {count}' for why, count in sorted(self._tokens.refused.items())
        ]
        lines += [f"crm_issuer_keys_age_seconds {self._tokens.keys.age_seconds():.0f}"]
        lines += [f"crm_volume_alarms_total {self._volume.alarms}"]
        lines += [f"crm_events_applied_total {sum(consumer.applied for consumer in self._consumers)}"]
        lines += [f"crm_events_failed_total {sum(consumer.failed for consumer in self._consumers)}"]
        lines += await self._lag()
        with contextlib.suppress(DatabaseAway):
            lines += [f"crm_dead_letters_open {await self._inbox.dead_letters()}"]
            lines += [f"crm_timers_overdue {await self._timers.overdue()}"]
        if self._relay:
            lines += [f"crm_outbox_looked_total {self._relay.looked}"]
            lines += [f"crm_outbox_published_total {self._relay.published}"]
            with contextlib.suppress(DatabaseAway):  # the other counts are worth telling then, too
                lines += [f"crm_outbox_waiting {await self._relay.waiting()}"]
                lines += [f"crm_outbox_oldest_seconds {await self._relay.oldest_seconds():.1f}"]
        return "\n".join(lines) + "\n"

    async def _lag(self) -> list[str]:
        """What the streams have for this service; nothing while NATS does not say."""
        if not self._client.is_connected:
            return []
        asked = asyncio.gather(*(one.waiting() for one in self._consumers), return_exceptions=True)
        try:
            counts = await asyncio.wait_for(asked, LAG_SECONDS)
        except TimeoutError:
            return []
        told = zip(self._consumers, counts, strict=True)
        return [f'crm_events_waiting{{producer="{one.producer}"}} {n}' for one, n in told if isinstance(n, int)]

    async def drain(self) -> None:
        """Not ready → no more events → calls under way end → the relay's batch ends → everything closed."""
        log.info("%s drains", self._service.name)
        self._draining.set()
        await self._health.enter_graceful_shutdown()
        for consumer in self._consumers:
            consumer.stop()
        self._timers.stop()
        self._operating.stop()
        self._asking.stop()
        self.context.feed.close()
        await self._server.stop(DRAIN_SECONDS)
        await self._sagas.stop()
        await self.context.audit.flush()
        if self._relay:
            await self._relay.stop()
        if self._background:
            self._background.cancel()
            await asyncio.wait([self._background], timeout=2)
        for close in (self._client.close(), self._neighbours.close(), self._database.close(), self._admin.stop()):
            try:
                await asyncio.wait_for(close, 2)
            except Exception as stuck:
                log.warning("not closed in time: %s", stuck or type(stuck).__name__)
        await asyncio.to_thread(self._provider.force_flush, 2000)
        logging.shutdown()


async def _nats_error(error: Exception) -> None:
    log.warning("NATS: %s", error or type(error).__name__)
