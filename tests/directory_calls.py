"""What tests of erasures ask directory, and the two services they need: directory, and leads as the one that knows
customers. The other services are no part of this installation."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from chassis.testing import Backend
from crm.directory.v1 import directory_pb2 as pb
from harness import Issuer, Person, Running, start, until
from outside import TokenEndpoint

from chassis import streams

OFFICER = Person("users/olga", ("privacy_officer",))


async def erasing_suite(issuer: Issuer) -> AsyncIterator[dict[str, Running]]:
    """Directory and leads on servers of their own."""
    endpoint = TokenEndpoint(issuer)
    with Backend.running() as backend, pytest.MonkeyPatch.context() as environment:
        await streams.make(backend.nats_url, ("leads", "directory"))
        leads = await start("leads", backend, issuer)
        environment.setenv("UPSTREAM_LEADS", leads.address)
        directory = await start("directory", backend, issuer, oidc_token_url=endpoint.url, client_secret="secret")
        await directory.know(OFFICER)
        yield {"leads": leads, "directory": directory}
        await leads.stop()
        await directory.stop()
    endpoint.close()


async def call(suite: dict[str, Running], method: str, by: str = OFFICER.name, **fields: Any) -> Any:
    request = getattr(pb, f"{method}Request")(**fields)
    return await suite["directory"].call(f"DirectoryService/{method}", request, by=by)


async def completed(suite: dict[str, Running], name: str) -> Any:
    """The erasure once it is completed."""

    async def done() -> Any:
        erasure = await call(suite, "GetErasure", name=name)
        return erasure if erasure.state == pb.Erasure.COMPLETED else None

    return await until(done, f"{name} is completed")
