"""Own data over gRPC and HTTP: who has the link sees and changes what is theirs, and nothing else."""

import asyncio

import pytest
from chassis.errors import FailedPrecondition, InvalidFields, NotFound
from chassis.values import new_id
from crm.leads.v1 import leads_pb2
from crm.leads.v1 import own_data_pb2 as pb
from custom_calls import front
from harness import PEOPLE, start
from lead_calls import create, read, update
from leads.domain.own_data import FIELDS

ROOT, ANA, BORIS, MIRA = "users/root", "users/ana", "users/boris", "users/mira"


@pytest.fixture(scope="module")
async def desk(backend, issuer):
    running = await start("leads", backend, issuer, PEOPLE)
    yield running
    await running.stop()


async def ask(desk, method, by=ANA, **fields):
    return await desk.call(f"OwnDataService/{method}", getattr(pb, f"{method}Request")(**fields), by=by)


async def shared(desk, lead, by=ANA, **fields):
    return (await ask(desk, "ShareOwnData", by, name=lead.name, **fields)).token


async def test_smoke(desk):
    lead = await create(desk, owner=ANA, email="ana@rosa.example", phone="0888 123 456", country="bg", note="secret")
    token = await shared(desk, lead)
    seen = await desk.call("OwnDataService/GetOwnData", pb.GetOwnDataRequest(token=token), token="")
    print(seen)
    async with front(leads=desk) as http:
        del http.headers["authorization"]
        got = await http.get(f"/v1/ownData/{token}")
        print(got.status_code, got.headers, got.text)
        got = await http.patch(f"/v1/ownData/{token}", json={"email": "Нова@Роза.example ", "phone": "+359 888 999 999", "doNotCall": True}, headers={"if-match": got.headers["etag"]})
        print(got.status_code, got.text)
        got = await http.patch(f"/v1/ownData/{token}", json={"email": "new@rosa.example", "phone": "0888 999 999", "doNotCall": True, "city": "x"})
        print(got.status_code, got.text)
        got = await http.patch(f"/v1/ownData/{token}", json={"email": "New@rosa.example", "phone": "0888 999 999", "doNotCall": True})
        print(got.status_code, got.text)
    print(await desk.events(lead.name))
    print(await read(desk, lead.name))
