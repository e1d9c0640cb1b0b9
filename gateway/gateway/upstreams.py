"""One gRPC channel per service, opened at start-up and kept: a connection costs more than a request."""

import json
from collections.abc import Mapping

import grpc

from chassis import tls
from gateway.contract import Contract
from gateway.limits import BULK_MESSAGE_BYTES, MESSAGE_BYTES
from gateway.settings import SettingError


class Upstreams:
    """The channels of the services. One without a setting has none; its routes answer 503."""

    def __init__(self, contract: Contract, targets: Mapping[str, str]) -> None:
        for upstream in sorted(set(targets) - contract.upstreams):
            known = ", ".join(sorted(contract.upstreams))
            raise SettingError(f"UPSTREAM_{upstream.upper()} names no service; there are {known}")
        options = channel_options(contract)
        self._channels = {upstream: tls.channel(target, options) for upstream, target in targets.items()}

    def channel(self, upstream: str) -> grpc.aio.Channel | None:
        return self._channels.get(upstream)

    async def close(self) -> None:
        for channel in self._channels.values():
            await channel.close()


def channel_options(contract: Contract) -> list[tuple[str, str | int]]:
    """Calls go to all replicas in turn; a lost service is tried again soon; messages have a size limit per method."""
    bulk = [{"service": rpc.service, "method": rpc.name} for rpc in contract.public if rpc.bulk]
    config = {
        "loadBalancingConfig": [{"round_robin": {}}],
        "methodConfig": [
            {"name": [{}], **size(MESSAGE_BYTES)},
            *([{"name": bulk, **size(BULK_MESSAGE_BYTES)}] if bulk else []),
        ],
    }
    return [
        ("grpc.service_config", json.dumps(config)),
        ("grpc.max_send_message_length", BULK_MESSAGE_BYTES),
        ("grpc.max_receive_message_length", BULK_MESSAGE_BYTES),
        # A restarted service is used again within a second; the default backs off to two minutes.
        ("grpc.initial_reconnect_backoff_ms", 100),
        ("grpc.min_reconnect_backoff_ms", 1_000),
        ("grpc.max_reconnect_backoff_ms", 1_000),
    ]


def size(limit: int) -> dict[str, int]:
    return {"maxRequestMessageBytes": limit, "maxResponseMessageBytes": limit}
