"""The whole description, fuzzed: whatever is sent, the answer is a documented one, and never a failure of ours."""

import copy
import json
import os
import re
import subprocess
import sys
from collections import Counter, defaultdict
from pathlib import Path

import httpx
import pytest

from fuzz.world import IN_PATH, World, good_call

HERE = Path(__file__).parent
EXAMPLES = os.environ.get("FUZZ_EXAMPLES", "2")  # per operation and phase; `make fuzz` asks for more, in all phases
PHASES = os.environ.get("FUZZ_PHASES", "fuzzing,stateful")
SECONDS = 2400
# A well-formed request may still be refused: for names of records that are not there, for the state of a record, for a
# filter that says nothing. And some that no schema describes are taken: in the JSON of protobuf null is an unset field
# and no body an empty one; a bad row of an import is refused alone. tests/gateway/test_codec.py compares what is
# accepted with json_format.
EXCLUDED = "positive_data_acceptance,negative_data_rejection"


def described() -> dict:
    """All but what visitors ask without a token: each address may so often, and is sent to other places."""
    document = json.loads((HERE.parents[1] / "gateway/openapi.json").read_text())
    visited = ("/m/", "/v1/ownData/")
    paths = {path: verbs for path, verbs in document["paths"].items() if not path.startswith(visited)}
    return document | {"paths": paths}


def operations(document: dict) -> list[tuple[str, str, dict]]:
    return [(path, verb, one) for path, verbs in document["paths"].items() for verb, one in verbs.items()]


@pytest.fixture(scope="module")
def token(suite) -> str:
    return suite.crmctl("token", "--user", "admin").stdout.strip()


@pytest.fixture(scope="module")
def good(world) -> dict:
    """A good call of each operation, by its id."""
    return {
        one["operationId"]: good_call(world, one["operationId"], path, "requestBody" in one)
        for path, _, one in operations(described())
    }


def filled(path: str, names: list[str]) -> str:
    for name in names:
        path = re.sub(r"\{\w+\}", name.partition("/")[2], path, count=1)
    return path


def sent(suite, token: str, path: str, verb: str, call) -> httpx.Response:
    headers = {"authorization": f"Bearer {token}", "request-timeout": "15"}  # a stream would go on for minutes
    url = f"{suite.url}{filled(path, call.names)}"
    return httpx.request(verb.upper(), url, json=call.body, params=call.query, headers=headers, timeout=20)


@pytest.mark.timeout(SECONDS)
def test_every_operation_answers_a_good_call_with_200(suite, token, world):
    """So that what is fuzzed can reach every rule; a new operation needs a line in fuzz/world.py."""
    refused = {}
    for path, verb, one in operations(described()):
        call = good_call(world, one["operationId"], path, "requestBody" in one)
        answer = sent(suite, token, path, verb, call)
        if answer.status_code != 200:
            refused[one["operationId"]] = answer.text[:300]
    assert refused == {}


def informed(document: dict, world: World, good: dict) -> dict:
    """The description with real names and a good body for each operation, and with links from each creation to
    everything that can be done with what was created."""
    document = copy.deepcopy(document)
    names = {collection: [make(world) for _ in range(3)] for collection, make in IN_PATH.items()}
    for _, _, one in operations(document):
        call = good[one["operationId"]]
        for parameter in one["parameters"]:
            if parameter["in"] == "path":
                collection = parameter["name"].removesuffix("Id")
                real = [name.partition("/")[2] for name in [*call.names, *names.get(collection, [])]]
                parameter["schema"] = {"anyOf": [{"enum": real}, parameter["schema"]]}
                parameter["examples"] = {"good": {"value": real[0]}}
        if call.body is not None:
            one["requestBody"]["content"]["application/json"]["examples"] = {"good": {"value": call.body}}
    return linked(document)


def linked(document: dict) -> dict:
    for path, verbs in document["paths"].items():
        made = verbs.get("post", {}).get("responses", {}).get("200", {})
        collection = path.removeprefix("/v1/")
        if not made or not re.fullmatch(r"\w+", collection):
            continue
        value = f"$response.body#/name#regex:^{collection}/(.+)$"
        made["links"] = {
            one["operationId"]: {"operationId": one["operationId"], "parameters": {f"{collection}Id": value}}
            for other, _, one in operations(document)
            if f"/{collection}/{{{collection}Id}}" in other
        }
    return document


@pytest.mark.timeout(SECONDS + 60)
def test_every_operation_answers_what_is_documented(suite, token, world, good, tmp_path):
    document, calls = tmp_path / "openapi.json", tmp_path / "calls"
    document.write_text(json.dumps(informed(described(), world, good)))
    schemathesis = Path(sys.executable).parent / "schemathesis"
    command = [str(schemathesis), "run", str(document), "--url", suite.url]
    command += ["--header", f"Authorization: Bearer {token}", "--checks", "all", "--exclude-checks", EXCLUDED]
    command += ["--phases", PHASES, "--max-examples", EXAMPLES, "--seed", os.environ.get("SEED", "1")]
    command += ["--continue-on-failure", "--request-timeout", "20", "--no-color", "--warnings", "off"]
    more = {"CALLS": str(calls), "SCHEMATHESIS_HOOKS": "hooks", "PYTHONPATH": str(HERE)}
    ended = subprocess.run(
        command, capture_output=True, text=True, timeout=SECONDS, cwd=tmp_path, env=os.environ | more
    )
    print(*re.findall(r"^Test cases:\n.*$", ended.stdout, re.MULTILINE))
    answered = coverage(calls.read_text())
    assert ended.returncode == 0, ended.stdout[-6000:] + ended.stderr[-2000:]
    assert set(answered) == {one["operationId"] for _, _, one in operations(described())}
    if "coverage" in PHASES:
        never = [name for name, classes in answered.items() if not classes["2"]]
        assert never == [], "the fuzzer never got past the refusals of these"


def coverage(calls: str) -> dict[str, Counter]:
    """How often each operation was called, by the class of its answer; printed as a table."""
    answered: dict[str, Counter] = defaultdict(Counter)
    phases: Counter = Counter()
    for line in calls.splitlines():
        operation, status, phase = line.split()
        answered[operation][status[0]] += 1
        phases[phase] += 1
    print(f"\n{'operation':<28}{'calls':>7}{'2xx':>7}{'4xx':>7}{'5xx':>7}")
    for operation, classes in sorted(answered.items()):
        print(f"{operation:<28}{classes.total():>7}{classes['2']:>7}{classes['4']:>7}{classes['5']:>7}")
    total = sum((classes for classes in answered.values()), Counter())
    print(f"{len(answered)} operations, {total.total()} calls: {dict(total)}; by phase {dict(phases)}")
    return answered
