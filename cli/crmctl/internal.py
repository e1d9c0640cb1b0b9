"""Calls to a service's own port, for operations that the gateway does not let through."""

from pathlib import Path
from typing import Any

import grpc
from google.protobuf.message import Message

from crmctl.connection import connect
from crmctl.local import local_stack
from crmctl.problem import Problem

_SECONDS = 600  # A rebuild reads every event there is.


class Internal:
    """One service, called directly with a token of the administrator."""

    def __init__(self, service: str, address: str, token: str, data_dir: Path | None) -> None:
        stack = None if address and token else local_stack(data_dir)
        if stack is None and not (address and token):
            raise Problem("Name a local suite with --data-dir, or a service with --address and --token.")
        services = stack.addresses["services"] if stack else {}
        if not address and service not in services:
            raise Problem(f"There is no service {service}: choose one of {', '.join(sorted(services))}.")
        self._service, self.address = service, address or services[service]
        self._token = token or connect(data_dir=data_dir).bearer()

    def call(self, path: str, request: Message, answer: type[Any]) -> Any:
        """`crm.chassis.v1.EventLogService/ListDeadLetters` and its request. Raises Problem with what was said."""
        with grpc.insecure_channel(self.address) as channel:
            method = channel.unary_unary(
                f"/{path}", request_serializer=type(request).SerializeToString, response_deserializer=answer.FromString
            )
            try:
                return method(request, timeout=_SECONDS, metadata=[("authorization", f"Bearer {self._token}")])
            except grpc.RpcError as error:
                raise Problem(f"{self._service} at {self.address}: {error.details()} ({error.code().name})") from None
