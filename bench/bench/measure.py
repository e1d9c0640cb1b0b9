"""One measurement: an operation, done in one way, by so many at a time, for some seconds."""

import base64
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from crmctl.http import Server

from bench import pgbench
from bench.baselines import Baseline, Loading
from bench.load import generate
from bench.operations import Call, Operation
from bench.stand import Stand

Way = Literal["REST", "gRPC", "database"]
WAYS: tuple[Way, ...] = ("REST", "gRPC", "database")
MOST_CALLS = 2_000  # different reads in one measurement
WRITES_A_SECOND = 3_000  # each but once: so many are prepared for a second
REFUSALS = {"REST": (429, 503), "gRPC": (8, 14)}
ANSWERED = {"REST": range(200, 300), "gRPC": range(1)}


@dataclass
class Measured:
    """`rate` in units a second (an import's unit is a row), milliseconds of a call, and of processor a unit by process
    (`load`: the generator). `failed` are other answers than success and refusal. `wrong`: what the counts of rows say,
    in words, if they do not say what was answered."""

    operation: str
    way: Way
    connections: int
    rate: float
    p50: float
    p99: float
    answered: int
    cpu: dict[str, float] = field(default_factory=dict)
    refused: int = 0
    failed: dict[str, int] = field(default_factory=dict)
    wrong: str = ""

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


async def measure(
    stand: Stand, operation: Operation, way: Way, connections: int, seconds: float, baseline: Baseline | None = None
) -> Measured:
    """Begins when nothing is on its way and counts the rows afterwards. What it leaves to others is counted with it as
    far as they did it meanwhile."""
    await stand.rest()
    calls: Sequence[Call] = []
    if way != "database":
        calls = await operation.calls(stand, int(WRITES_A_SECOND * seconds) if operation.once else MOST_CALLS)
        if not calls:
            raise RuntimeError(f"{operation.name}: there is nothing to do it with")
    before, cpu = await _counts(stand, operation), stand.cpu()
    if way == "database":
        assert baseline is not None
        found = await _database(stand, operation, baseline, connections, seconds)
    else:
        plan = _rest(stand, calls) if way == "REST" else _grpc(stand, operation, calls)
        common = {"connections": connections, "seconds": seconds, "once": operation.once}
        result = await generate("http_load" if way == "REST" else "grpc_load", plan | common)
        found = _answers(operation, way, connections, result)
    spent = {name: value - cpu.get(name, value) for name, value in stand.cpu().items()}
    units = operation.units if way != "database" else 1
    if found.answered:
        found.cpu |= {name: value * 1000 / (found.answered * units) for name, value in spent.items()}
    found.wrong = verdict(operation, found, before, await _counts(stand, operation))
    return found


def verdict(
    operation: Operation, found: Measured, before: dict[tuple[str, str], int], after: dict[tuple[str, str], int]
) -> str:
    """Whether the tables have what was answered, in words; empty if so. Calls that failed may have left their rows."""
    units = operation.units if found.way != "database" else 1
    wrong = []
    for table, each in operation.adds.items():
        added, least = after[table] - before[table], found.answered * each * units // operation.units
        most = least + sum(found.failed.values()) * each
        if not least <= added <= most:
            wrong.append(f"{'.'.join(table)} has {added} rows more, {least} were answered")
    return "; ".join(wrong)


async def check(stand: Stand, operation: Operation) -> None:
    """Does it once over REST and looks at the answer. RuntimeError if it is not what is to be measured."""
    if operation.once:
        return  # counted
    server = Server(stand.stack.url, 30)
    call = (await operation.calls(stand, 1))[0]
    answer = await server.call(call.verb, call.path, {}, {"authorization": f"Bearer {stand.token(call.caller)}"})
    server.close()
    if answer.status != 200:
        raise RuntimeError(f"{operation.name}: {answer.status} {answer.body[:500].decode()}")
    if operation.lists and not answer.json()[operation.lists]:
        raise RuntimeError(f"{operation.name}: an empty answer to {call.path}")


def _rest(stand: Stand, calls: Sequence[Call]) -> dict[str, Any]:
    return {"port": stand.http_port, "rate": 0, "requests": [request(stand, call) for call in calls]}


def request(stand: Stand, call: Call) -> str:
    """A whole HTTP/1.1 request."""
    lines = [f"{call.verb} {call.path} HTTP/1.1", f"host: 127.0.0.1:{stand.http_port}"]
    lines += [f"authorization: Bearer {stand.token(call.caller)}"]
    lines += [f"{name}: {value}" for name, value in call.headers.items()]
    body = ""
    if call.body is not None:
        body = json.dumps(call.body, ensure_ascii=False)
        lines += ["content-type: application/json", f"content-length: {len(body.encode())}"]
    return "\r\n".join([*lines, "", body])


def _grpc(stand: Stand, operation: Operation, calls: Sequence[Call]) -> dict[str, Any]:
    requests = [
        (stand.token(call.caller), base64.b64encode(call.message().SerializeToString()).decode()) for call in calls
    ]
    return {"address": stand.grpc_address(operation.service), "method": f"/{operation.rpc}", "requests": requests}


def _answers(operation: Operation, way: Way, connections: int, result: dict[str, Any]) -> Measured:
    statuses = result["statuses"]
    good = [numbers for status, numbers in statuses.items() if status in ANSWERED[way]]
    answered = sum(one["count"] for one in good)
    refused = sum(numbers["count"] for status, numbers in statuses.items() if status in REFUSALS[way])
    failed = {
        str(status): numbers["count"]
        for status, numbers in statuses.items()
        if status not in ANSWERED[way] and status not in REFUSALS[way]
    }
    if unanswered := result["sent"] - answered - refused - sum(failed.values()):
        failed["unanswered"] = unanswered
    main = max(good, key=lambda one: one["count"], default={"p50": 0.0, "p99": 0.0})
    return Measured(
        operation.name, way, connections,
        rate=answered * operation.units / result["seconds"], p50=main["p50"] * 1000, p99=main["p99"] * 1000,
        answered=answered, refused=refused, failed=failed,
        cpu={"load": result["cpu"] * 1000 / max(answered * operation.units, 1)},
    )  # fmt: skip


async def _database(
    stand: Stand, operation: Operation, baseline: Baseline, connections: int, seconds: float
) -> Measured:
    if isinstance(baseline, Loading):
        done, took = await baseline.run(seconds)
        return Measured(operation.name, "database", connections, done / took, 0.0, 0.0, done)
    ran = await pgbench.run(stand, baseline, connections, seconds)
    p50, p99 = ran.took["p50"] * 1000, ran.took["p99"] * 1000
    return Measured(operation.name, "database", connections, ran.transactions / ran.seconds, p50, p99, ran.transactions)


async def _counts(stand: Stand, operation: Operation) -> dict[tuple[str, str], int]:
    if operation.adds:
        await stand.rest()
    return {table: await stand.count(*table) for table in operation.adds}
