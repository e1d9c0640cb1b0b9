"""Every gRPC method, fuzzed on its service's own port and through the gateway: an error of the tree, or an answer."""

import json
import os
import random
import re
from collections import Counter

import asyncpg
import grpc
import grpc.aio
import pytest
from chassis.settings import SERVICES
from chassis.stack import databases
from fuzz.messages import message, mutated
from google.protobuf.message_factory import GetMessageClass
from tree import contract

ROUNDS = int(os.environ.get("FUZZ_EXAMPLES", "2")) * 4  # per method, kind of nonsense and port
TOLD = {
    "OK", "INVALID_ARGUMENT", "NOT_FOUND", "ALREADY_EXISTS", "FAILED_PRECONDITION", "ABORTED", "OUT_OF_RANGE",
    "UNIMPLEMENTED", "PERMISSION_DENIED",
}  # fmt: skip
# A rebuild on request is work of minutes by design; its own tests are in tests/insights.
LONG = {"RebuildInsights"}


def nonsense(method, chance: random.Random) -> list[bytes]:
    """Requests for a method: random bytes, a message of nasty values, and such a message damaged."""
    made = message(method.input_type, chance).SerializeToString()
    return [chance.randbytes(chance.randrange(1, 200)), made, mutated(made, chance)]


@pytest.fixture
def token(suite) -> str:
    return suite.crmctl("token", "--user", "admin").stdout.strip()


@pytest.fixture
def address_book(suite) -> dict:
    return json.loads((suite.data_dir / "stack.json").read_text())


async def sent(channel: grpc.aio.Channel, path: str, answer, wire: bytes, token: str) -> str:
    """The code a request is answered with. What is answered must be the message that was promised."""
    call = channel.unary_unary(path, response_deserializer=answer.FromString)
    try:
        await call(wire, metadata=[("authorization", f"Bearer {token}")], timeout=20)
    except grpc.aio.AioRpcError as error:
        return f"{error.code().name} {error.details()[:200]}" if error.code().name not in TOLD else error.code().name
    return "OK"


async def tables(suite) -> Counter:
    """How many tables each service's database has."""
    found = Counter()
    secrets = json.loads((suite.data_dir / "secrets.json").read_text())
    settings = (suite.data_dir / "postgres" / "crm.conf").read_text()
    port = re.search(r"^port = (\d+)", settings, re.MULTILINE)[1]
    for service in SERVICES:
        admin = f"postgresql://postgres:{secrets['postgres']}@127.0.0.1:{port}/postgres"
        connection = await asyncpg.connect(databases.in_database(admin, service))
        found[service] = await connection.fetchval("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'")
        await connection.close()
    return found


@pytest.mark.timeout(600)
async def test_no_method_fails_on_nonsense(suite, token, address_book):
    chance = random.Random(int(os.environ.get("SEED", "1")))
    before = await tables(suite)
    codes, surprises = Counter(), []
    gateway = grpc.aio.insecure_channel(address_book["grpc"])
    for service, method in contract():
        if method.name in LONG:
            continue
        answer = GetMessageClass(method.output_type)
        path = f"/{service.full_name}/{method.name}"
        ports = [gateway, *own_ports(service, address_book)]
        for channel in ports:
            for _ in range(ROUNDS):
                for wire in nonsense(method, chance):
                    code = await sent(channel, path, answer, wire, token)
                    codes[code] += 1
                    if code not in TOLD:
                        surprises.append(f"{path} {code} {wire.hex()[:200]}")
    print(dict(codes))
    assert surprises == []
    assert codes["OK"] > 0
    assert codes["INVALID_ARGUMENT"] > 100
    assert await tables(suite) == before


def own_ports(service, address_book) -> list[grpc.aio.Channel]:
    """The ports of the services that serve it: one, or all for what the chassis serves."""
    name = service.full_name.split(".")[1].replace("_", "-")
    names = [name] if name in address_book["services"] else list(address_book["services"])
    return [grpc.aio.insecure_channel(address_book["services"][name]) for name in names]
