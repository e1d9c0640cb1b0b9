"""Every gRPC method, fuzzed on its service's own port and through the gateway: an error of the tree, or an answer."""

import asyncio
import json
import os
import random
import re
from collections import Counter
from pathlib import Path

import asyncpg
import grpc
import grpc.aio
import pytest
from chassis.settings import SERVICES
from chassis.stack import databases
from chassis.values import new_id
from crm.options.v1 import options_pb2
from google.api import annotations_pb2
from google.protobuf import json_format
from google.protobuf.message_factory import GetMessageClass
from google.rpc import error_details_pb2
from grpc_status import rpc_status
from tree import contract, http

from fuzz.messages import damaged, message, mutated, spoiled
from fuzz.world import World, good_call

ROUNDS = int(os.environ.get("FUZZ_EXAMPLES", "2"))  # per method, kind of nonsense and port
TOLD = {
    "OK", "INVALID_ARGUMENT", "NOT_FOUND", "ALREADY_EXISTS", "FAILED_PRECONDITION", "ABORTED", "OUT_OF_RANGE",
    "PERMISSION_DENIED",
}  # fmt: skip
# Five pieces of work in the background are under way: good messages begin more than that.
LIMITED = "TOO_MANY_OPERATIONS "
# A rebuild on request is work of minutes by design; its own tests are in tests/insights.
LONG = {"RebuildInsights"}
STREAMS = {f"/{service.full_name}/{method.name}" for service, method in contract() if method.server_streaming}
MOST_GROWTH_MB = 250  # of one process: caches fill, statements are compiled; what leaks with every call is far more


def converted(lead: str) -> dict:
    """What sales is told of a lead."""
    return {
        "lead": lead,
        "journey_id": new_id(),
        "account_display_name": "Fuzzed",
        "account_owner": "users/admin",
        "opportunity_display_name": "Fuzzed",
        "opportunity_owner": "users/admin",
    }


LINKED = f"leads/{new_id()}"
# Good requests of methods that have no route, as far as an empty one is none.
INSIDE = {
    "ErasePerson": {"erasure": "01a21191-0000-7000-8000-000000000001", "validateOnly": True},
    "AcceptLead": converted(f"leads/{new_id()}"),
    "MatchLead": {"facts": converted(LINKED)},
    "LinkLead": {"facts": converted(LINKED)},
    "ReleaseLead": {"lead": LINKED},
    "ListAuditEntries": {"actor": "users/admin"},
}


# What visitors ask with in place of a name.
TOKENS = {"OpenMaterialLink": World.material_link, "GetOwnData": World.own_data, "UpdateOwnData": World.own_data}


def good_message(method, world):
    """A request that would be answered, from the same table as the REST calls; an empty one for what has no route."""
    verb, template = http(method)
    made = GetMessageClass(method.input_type)()
    if not template:
        return json_format.ParseDict(INSIDE.get(method.name, {}), made)
    path = re.sub(r"/\*", "/{id}", template)
    has_body = verb in ("post", "patch")
    call = good_call(world, method.name, path, has_body)
    fields = method.input_type.fields_by_name
    resource = method.GetOptions().Extensions[annotations_pb2.http].body
    if has_body:
        json_format.ParseDict(call.body if resource == "*" else {resource: call.body}, made)
    if method.name in TOKENS:
        made.token = TOKENS[method.name](world).partition("/")[2]
        return made
    for name in call.names:
        if verb == "patch":
            getattr(made, resource).name = name
        elif "name" in fields:
            made.name = name
        else:
            made.parent = name
    return made


def nonsense(method, chance: random.Random, good) -> list[bytes]:
    """Requests for a method: random bytes, a message of nasty values, one damaged, a good one with one thing wrong, a
    good one with something strange around it."""
    made = message(method.input_type, chance).SerializeToString()
    return [
        chance.randbytes(chance.randrange(1, 200)),
        made,
        mutated(made, chance),
        spoiled(good, chance).SerializeToString(),
        damaged(good.SerializeToString(), chance),
        mutated(good.SerializeToString(), chance),
    ]


@pytest.fixture(scope="module")
def token(suite) -> str:
    return suite.crmctl("token", "--user", "admin").stdout.strip()


@pytest.fixture(scope="module")
def address_book(suite) -> dict:
    return json.loads((suite.data_dir / "stack.json").read_text())


async def sent(channel, path: str, answer, wire: bytes, metadata: list, timeout: float | None = 20) -> tuple[str, str]:
    """The code a request is answered with, and the reason. What is answered must be the message that was promised."""
    streams = path in STREAMS
    call = getattr(channel, "unary_stream" if streams else "unary_unary")(path, response_deserializer=answer.FromString)
    try:
        asked = call(wire, metadata=metadata, timeout=timeout)
        await (asked.read() if streams else asked)
        asked.cancel()
    except grpc.aio.AioRpcError as error:
        return error.code().name, f"{reason_of(error)} {error.details()[:200]}"
    return "OK", "OK"


def reason_of(error: grpc.aio.AioRpcError) -> str:
    """The reason of the ErrorInfo that each error must have; empty if it has none."""
    status = rpc_status.from_call(error)
    info = error_details_pb2.ErrorInfo()
    return info.reason if status and any(detail.Unpack(info) for detail in status.details) else ""


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


def processes(suite) -> dict[int, int]:
    """The suite's processes and their memory in MB."""
    found, below = {}, [suite.process.pid]
    while below:
        pid = below.pop()
        proc = Path(f"/proc/{pid}")
        try:
            for listed in proc.glob("task/*/children"):
                below += map(int, listed.read_text().split())
            if "-m" in proc.joinpath("cmdline").read_text().split("\0"):
                found[pid] = int(proc.joinpath("statm").read_text().split()[1]) * 4096 // 2**20
        except OSError:
            continue  # it ended while we looked
    return found


def own_ports(service, address_book) -> list[str]:
    """The ports of the services that serve it: one, or all for what the chassis serves."""
    name = service.full_name.split(".")[1].replace("_", "-")
    names = [name] if name in address_book["services"] else list(address_book["services"])
    return [address_book["services"][name] for name in names]


@pytest.fixture(scope="module")
def goods(world) -> dict:
    """A good request for each method."""
    return {f"{service.full_name}/{m.name}": good_message(m, world) for service, m in contract() if m.name not in LONG}


@pytest.mark.timeout(2400)
async def test_no_method_fails_on_nonsense(suite, token, address_book, goods):
    chance = random.Random(int(os.environ.get("SEED", "1")))
    before, alive = await tables(suite), processes(suite)
    codes, surprises, answered = Counter(), [], Counter()
    channels = {address: grpc.aio.insecure_channel(address) for address in address_book["services"].values()}
    gateway = channels["gateway"] = grpc.aio.insecure_channel(address_book["grpc"])
    metadata = [("authorization", f"Bearer {token}")]
    for service, method in contract():
        path = f"/{service.full_name}/{method.name}"
        if method.name in LONG:
            continue
        answer = GetMessageClass(method.output_type)
        public = bool(http(method)[0]) and not method.GetOptions().Extensions[options_pb2.anonymous]
        for channel in [gateway, *(channels[address] for address in own_ports(service, address_book))]:
            wires = [goods[path[1:]].SerializeToString()]
            wires += [wire for _ in range(ROUNDS) for wire in nonsense(method, chance, goods[path[1:]])]
            for wire in wires:
                code, reason = await sent(channel, path, answer, wire, metadata)
                codes[code] += 1
                answered[path] += code == "OK"
                hidden = channel is gateway and not public and code == "UNIMPLEMENTED"
                limited = reason.startswith(LIMITED)
                if not hidden and not limited and (code not in TOLD or not reason.split(" ")[0]):
                    surprises.append(f"{path} {code} {reason} {wire.hex()[:200]}")
    never = sorted(path for path in goods if not answered[f"/{path}"] and path.split("/")[1] not in NOT_THERE)
    grown = {pid: processes(suite).get(pid, -1) - was for pid, was in alive.items()}
    print(f"\n{len(goods)} methods, {codes.total()} messages: {dict(codes)}; memory grown by {max(grown.values())} MB")
    assert surprises == []
    assert never == [], "no request of these was ever answered"
    assert min(grown.values()) > -1000
    assert set(alive) <= set(processes(suite)), "a process died"
    assert max(grown.values()) < MOST_GROWTH_MB
    assert await tables(suite) == before


# What names a record that only other records bring about has its good answer elsewhere: an empty request is refused.
# Of the policies one is active: by its turn another than the one that was to be deactivated. And an erasure takes away
# the files that were there to be downloaded.
NOT_THERE = {"ReplayDeadLetter", "DiscardDeadLetter", "DeactivateAssignmentPolicy", "DownloadLeadOperation"}

LEADS = "/crm.leads.v1.LeadService/ListLeads"
HEADERS = [
    ("traceparent", "00-" + "0" * 32 + "-" + "0" * 16 + "-01"),
    ("traceparent", "ff-" + "a" * 32 + "-" + "b" * 16 + "-zz"),
    ("traceparent", "-" * 3000),
    ("traceparent", "00-" + "f" * 4000 + "-1-1"),
    ("traceparent", "00--1-2-3"),
    ("crm-actor", "users/nobody"),
    ("crm-actor", "' OR 1=1 --"),
    ("crm-actor", "../../users/admin"),
    ("crm-actor", "x" * 6000),
    ("crm-source", "1.2.3.4 " * 500),
    ("grpc-accept-encoding", "nonsense"),
    ("grpc-tags-bin", b"\xff" * 1000),
    ("x-unknown-bin", b"\x00\xff" * 100),
    ("authorization", "Bearer " + "x" * 6000),
    ("authorization", "Bearer"),
    ("authorization", "bearer a b c"),
]


@pytest.mark.parametrize(("key", "value"), HEADERS, ids=lambda part: str(part)[:30])
async def test_strange_metadata_is_refused_or_passed_over(suite, token, address_book, key, value):
    from crm.leads.v1 import leads_pb2

    metadata = [(key, value)] if key == "authorization" else [("authorization", f"Bearer {token}"), (key, value)]
    for address in (address_book["grpc"], address_book["services"]["leads"]):
        async with grpc.aio.insecure_channel(address) as channel:
            code, reason = await sent(channel, LEADS, leads_pb2.ListLeadsResponse, b"", metadata)
            assert code in TOLD | {"UNAUTHENTICATED"}, reason
            assert reason.split(" ")[0]
            well = [("authorization", f"Bearer {token}")]
            assert (await sent(channel, LEADS, leads_pb2.ListLeadsResponse, b"", well))[0] == "OK"


@pytest.mark.parametrize("size", [9_000, 40_000, 200_000])
async def test_metadata_without_end_is_refused_and_the_port_lives_on(suite, token, address_book, size):
    from crm.leads.v1 import leads_pb2

    for address in (address_book["grpc"], address_book["services"]["leads"]):
        async with grpc.aio.insecure_channel(address) as channel:
            many = [("authorization", f"Bearer {token}"), *((f"x-{n}", "y" * 1000) for n in range(size // 1000))]
            code, _ = await sent(channel, LEADS, leads_pb2.ListLeadsResponse, b"", many)
            assert code in {"OK", "RESOURCE_EXHAUSTED"}
        async with grpc.aio.insecure_channel(address) as channel:
            well = [("authorization", f"Bearer {token}")]
            assert (await sent(channel, LEADS, leads_pb2.ListLeadsResponse, b"", well))[0] == "OK"


@pytest.mark.parametrize("seconds", [0.001, 0.05, 86_400 * 365, None])
async def test_a_deadline_of_nothing_or_of_a_year_is_kept_within_bounds(suite, token, address_book, seconds):
    from crm.leads.v1 import leads_pb2

    for address in (address_book["grpc"], address_book["services"]["leads"]):
        async with grpc.aio.insecure_channel(address) as channel:
            well = [("authorization", f"Bearer {token}")]
            code, _ = await sent(channel, LEADS, leads_pb2.ListLeadsResponse, b"", well, seconds)
            assert code in ({"DEADLINE_EXCEEDED"} if seconds and seconds < 0.1 else {"OK"})


async def test_bytes_that_are_no_http2_neither_crash_nor_keep_a_port(suite, token, address_book):
    from crm.leads.v1 import leads_pb2

    chance = random.Random(7)
    for address in (address_book["grpc"], address_book["services"]["leads"]):
        host, _, port = address.rpartition(":")
        for start in (b"", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", b"GET / HTTP/1.1\r\n\r\n"):
            for _ in range(10):
                reader, writer = await asyncio.open_connection(host, int(port))
                writer.write(start + chance.randbytes(chance.randrange(1, 2000)))
                await writer.drain()
                writer.close()
                del reader
        async with grpc.aio.insecure_channel(address) as channel:
            well = [("authorization", f"Bearer {token}")]
            assert (await sent(channel, LEADS, leads_pb2.ListLeadsResponse, b"", well))[0] == "OK"
