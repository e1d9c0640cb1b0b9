"""Calls to neighbours: one channel each, this service's own token, the user named, deadline and trace passed on."""

from typing import Any

import grpc
import grpc.aio

from chassis import telemetry, tls
from chassis.credentials import Credentials
from chassis.errors import ServiceAway, ServiceMistrusted
from chassis.settings import package, upstream
from chassis.statuses import from_call

DEADLINE_SECONDS = 10
OPTIONS = [
    ("grpc.lb_policy_name", "round_robin"),
    ("grpc.keepalive_time_ms", 30_000),
    ("grpc.max_receive_message_length", 8 * 1024 * 1024),
    ("grpc.service_config", '{"loadBalancingConfig": [{"round_robin": {}}]}'),
]


class Neighbours:
    """The other services of the suite, as far as this installation has them."""

    def __init__(self, credentials: Credentials, itself: str = "", address: str = "") -> None:
        """`itself` and `address`: a service that asks every service asks itself the same way, without a setting."""
        self._credentials, self._own = credentials, {itself: address}
        self._channels: dict[str, grpc.aio.Channel] = {}

    async def call(
        self,
        service: str,
        method: str,
        request: Any,
        answer: type[Any],
        *,
        actor: str = "",
        deadline_seconds: float = DEADLINE_SECONDS,
    ) -> Any:
        """One unary call, `method` as `crm.sales.v1.SalesService/AcceptLead`. Raises the error tree; ServiceAway if
        the neighbour cannot be reached or is not part of the installation; ServiceMistrusted if it does not take our
        token: that says nothing about the user, and passes when a clock is set right or a key is known."""
        with telemetry.span(method, telemetry.SpanKind.CLIENT):
            try:
                token = await self._credentials.token()
            except OSError as away:
                raise ServiceAway(service="issuer") from away
            metadata = [("authorization", f"Bearer {token}"), ("traceparent", telemetry.traceparent())]
            if actor:
                metadata.append(("crm-actor", actor))
            call = self._channel(service).unary_unary(
                f"/{method}",
                request_serializer=type(request).SerializeToString,
                response_deserializer=answer.FromString,
            )
            try:
                return await call(request, metadata=metadata, timeout=deadline_seconds)
            except grpc.aio.AioRpcError as error:
                if error.code() is grpc.StatusCode.UNAUTHENTICATED:
                    self._credentials.doubt()
                    raise ServiceMistrusted(service=service) from error
                raise from_call(error) from error

    def _channel(self, service: str) -> grpc.aio.Channel:
        if service not in self._channels:
            target = upstream(service) or self._own.get(service, "")
            if not target:
                raise ServiceAway(service=service)
            self._channels[service] = tls.channel(target, OPTIONS)
        return self._channels[service]

    async def close(self) -> None:
        for channel in self._channels.values():
            await channel.close()


def method_path(service: str, rpc_service: str, method: str) -> str:
    """`("leads", "LeadService", "GetLead")` → `crm.leads.v1.LeadService/GetLead`."""
    return f"crm.{package(service)}.v1.{rpc_service}/{method}"
