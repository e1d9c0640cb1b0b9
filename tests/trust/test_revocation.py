"""Who is out is out of every service within five seconds, over REST and gRPC, with the token still valid."""

import json
import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import grpc
import httpx
import pytest
from chassis.settings import SERVICES
from chassis.values import new_id

WITHIN_SECONDS = 5.0
ROUNDS = 3
# For each service a call that an administrator may make without knowing anything.
CALLS = {
    "directory": ("/v1/users", "crm.directory.v1.DirectoryService/ListUsers"),
    "leads": ("/v1/leads", "crm.leads.v1.LeadService/ListLeads"),
    "sales": ("/v1/accounts", "crm.sales.v1.SalesService/ListAccounts"),
    "marketing": ("/v1/channels", "crm.marketing.v1.MarketingService/ListChannels"),
    "service-desk": ("/v1/cases", "crm.service_desk.v1.ServiceDeskService/ListCases"),
    "contracts": ("/v1/contracts", "crm.contracts.v1.ContractService/ListContracts"),
    "insights": ("/v1/customers", "crm.insights.v1.InsightsService/ListCustomers"),
}
KINDS = {"users": "user", "serviceAccounts": "serviceAccount"}


class Doors:
    """Every way into every service: REST, gRPC through the gateway, and the service's own port."""

    def __init__(self, suite) -> None:
        book = json.loads((suite.data_dir / "stack.json").read_text())
        self._http = httpx.Client(base_url=suite.url, timeout=10)
        self._gateway = grpc.insecure_channel(book["grpc"])
        self._own = {name: grpc.insecure_channel(book["services"][name]) for name in SERVICES}
        self.pids = book["pids"]

    def ways(self) -> dict[tuple[str, str], Callable[[str], str]]:
        found: dict[tuple[str, str], Callable[[str], str]] = {}
        for service, (path, method) in CALLS.items():
            found[service, "REST"] = lambda token, path=path: self._rest(path, token)
            found[service, "gRPC"] = lambda token, method=method: self._grpc(self._gateway, method, token)
            own = self._own[service]
            found[service, "its port"] = lambda token, own=own, method=method: self._grpc(own, method, token)
        return found

    def _rest(self, path: str, token: str) -> str:
        answer = self._http.get(path, headers={"authorization": f"Bearer {token}"})
        return "OK" if answer.is_success else answer.json()["reason"]

    def _grpc(self, channel: grpc.Channel, method: str, token: str) -> str:
        call = channel.unary_unary(f"/{method}", lambda sent: sent, lambda answered: answered)
        try:
            call(b"", metadata=(("authorization", f"Bearer {token}"),), timeout=10)
        except grpc.RpcError as error:
            status = dict(error.trailing_metadata() or ()).get("grpc-status-details-bin", b"")
            reasons = [word for word in (b"CALLER_UNKNOWN", b"NOT_PERMITTED", b"TOKEN_REFUSED") if word in status]
            return reasons[0].decode() if reasons else error.code().name
        return "OK"

    def all_say(self, token: str, wanted: str, seconds: float) -> float:
        """Asks everywhere until the answer is `wanted`; how long the last one took, at most `seconds`."""
        began = time.monotonic()
        waiting = self.ways()
        while waiting:
            waiting = {way: call for way, call in waiting.items() if call(token) != wanted}
            took = time.monotonic() - began
            assert not waiting or took < seconds, f"not {wanted} after {took:.1f} s: {sorted(waiting)}"
        return took


@pytest.fixture(scope="module")
def doors(suite) -> Doors:
    return Doors(suite)


@pytest.fixture(scope="module")
def admin(suite):
    return suite.client()


@pytest.fixture
def somebody(suite, admin, doors):
    """Makes a person or a system with all rights, known everywhere; answers its name and a token."""

    def make(kind: str) -> tuple[str, str]:
        name = f"{kind}/{new_id()}"
        body = {"displayName": name, "roles": ["administrator"]}
        admin.post(f"/v1/{kind}?{KINDS[kind]}Id={name.split('/')[1]}", body)
        token = suite.client().stack.mint(name)
        doors.all_say(token, "OK", 20)
        return name, token

    return make


@pytest.mark.parametrize("kind", KINDS)
def test_who_was_deactivated_is_out_of_every_service_within_five_seconds(admin, doors, somebody, kind):
    took = []
    for _ in range(ROUNDS):
        name, token = somebody(kind)
        admin.post(f"/v1/{name}:deactivate")
        took.append(doors.all_say(token, "CALLER_UNKNOWN", WITHIN_SECONDS))
        admin.post(f"/v1/{name}:reactivate")
        doors.all_say(token, "OK", 20)  # the other side: it was the deactivation, and nothing else
    print(f"{kind}: out of {len(doors.ways())} doors within {', '.join(f'{one:.2f}' for one in took)} s")


@pytest.mark.parametrize("kind", KINDS)
def test_a_role_taken_away_is_gone_from_every_service_within_five_seconds(admin, doors, somebody, kind):
    took = []
    for _ in range(ROUNDS):
        name, token = somebody(kind)
        admin.patch(f"/v1/{name}", {"roles": []})
        took.append(doors.all_say(token, "NOT_PERMITTED", WITHIN_SECONDS))
    print(f"{kind}: without rights at {len(doors.ways())} doors within {', '.join(f'{one:.2f}' for one in took)} s")


@contextmanager
def stopped(pid: int) -> Iterator[None]:
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


def test_while_nats_is_away_nobody_hears_of_a_deactivation_and_afterwards_all_do_within_five_seconds(
    admin, doors, somebody
):
    """The stated boundary: the facts travel with the events. Who must be out at once loses the issuer's tokens, too."""
    name, token = somebody("users")
    with stopped(doors.pids["nats-server"]):
        admin.post(f"/v1/{name}:deactivate")
        time_passes = time.monotonic() + 3
        said = set()
        while time.monotonic() < time_passes:
            said |= {call(token) for call in doors.ways().values()}
        assert said == {"OK"}
    took = doors.all_say(token, "CALLER_UNKNOWN", WITHIN_SECONDS)
    print(f"out everywhere {took:.2f} s after NATS was back")


def test_while_directory_is_away_the_others_know_who_is_out(admin, doors, somebody):
    name, token = somebody("users")
    _, other = somebody("users")
    admin.post(f"/v1/{name}:deactivate")
    doors.all_say(token, "CALLER_UNKNOWN", WITHIN_SECONDS)
    with stopped(doors.pids["directory"]):
        ways = {way: call for way, call in doors.ways().items() if way[0] != "directory"}
        assert {call(token) for call in ways.values()} == {"CALLER_UNKNOWN"}
        assert {call(other) for call in ways.values()} == {"OK"}


def test_while_the_issuer_is_away_valid_tokens_are_good_and_no_others(suite, doors, somebody):
    name, token = somebody("users")
    fresh = suite.client().stack.mint("users/admin")
    forged = token.rpartition(".")[0] + "." + fresh.rpartition(".")[2]
    with stopped(doors.pids["issuer"]):
        for shown in (token, fresh, suite.client().stack.mint(name)):
            assert doors.all_say(shown, "OK", 5) < 5
        assert {call(forged) for call in doors.ways().values()} == {"TOKEN_REFUSED"}
