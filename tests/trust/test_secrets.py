"""No secret where it does not belong: a full run with everything that goes wrong in it, then everything is searched."""

import base64
import json
import os
import re
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import httpx
import psutil
import pytest
from chassis.settings import SERVICES
from chassis.stack.postgres import binary
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2
from tree import ROOT

TOKEN = re.compile(rb"eyJ[\w-]{8,}\.eyJ[\w-]{8,}\.[\w-]{20,}")  # any signed token, whosever
KEY = re.compile(rb"-----BEGIN [A-Z ]*PRIVATE KEY-----\s+[A-Za-z0-9+/]{20}")
PRIVATE_FILES = ("secrets.json", "issuer.pem", "nats/nats.conf")  # where secrets belong, for their owner only


def everybodys_secrets(data_dir: Path) -> dict[str, bytes]:
    """Every secret of the run by its name, and in the other spellings it could have."""
    found: dict[str, str] = {}

    def collect(name: str, value: object) -> None:
        if isinstance(value, dict):
            for key, inside in value.items():
                collect(f"{name} {key}".strip(), inside)
        else:
            found[name] = str(value)

    collect("", json.loads((data_dir / "secrets.json").read_text()))
    for client, secret in json.loads((data_dir / "secrets.json").read_text())["clients"].items():
        for user in (client, quote(client, safe="")):
            found[f"basic {user}"] = base64.b64encode(f"{user}:{secret}".encode()).decode()
    for number, line in enumerate((data_dir / "issuer.pem").read_text().splitlines()[2:-2]):
        found[f"issuer.pem {number}"] = line
    return {name: value.encode() for name, value in found.items()}


def leaks(places: Iterator[tuple[str, bytes]], secrets: dict[str, bytes]) -> dict[str, list[str]]:
    """Which places show which secrets."""
    found: dict[str, list[str]] = {}
    for place, content in places:
        shown = [name for name, secret in secrets.items() if secret in content]
        shown += [name for name, form in (("a token", TOKEN), ("a private key", KEY)) if form.search(content)]
        if shown:
            found[place] = shown
    return found


class Run:
    """What one run of the suite left behind, and where."""

    def __init__(self, suite) -> None:
        self.suite, self.data_dir = suite, suite.data_dir
        self.book = json.loads((suite.data_dir / "stack.json").read_text())
        self.secrets = everybodys_secrets(suite.data_dir)
        self.answers: list[bytes] = []
        self.outputs: list[str] = []
        self._http = httpx.Client(base_url=suite.url, timeout=15)
        self._elsewhere = httpx.Client(timeout=15)  # one for thousands of looks: each would make keys of its own

    def ask(self, method: str, path: str, token: str = "", **more) -> int:
        """One request, whatever comes of it; all that was answered is kept."""
        headers = {"authorization": f"Bearer {token}"} if token else {}
        try:
            answer = self._http.request(method, path, headers=headers, **more)
        except httpx.HTTPError as error:
            self.answers.append(str(error).encode())
            return 0
        self.answers.append(str(answer.headers).encode() + answer.content)
        return answer.status_code

    def crmctl(self, *arguments: str) -> None:
        done = self.suite.crmctl(*arguments)
        self.outputs.append(done.stdout + done.stderr)

    def kill(self, name: str) -> None:
        os.kill(json.loads((self.data_dir / "stack.json").read_text())["pids"][name], signal.SIGKILL)

    def places(self) -> Iterator[tuple[str, bytes]]:
        """Every place to look at, with what stands there."""
        for kind in (self.answered, self.files, self.traces, self.pages, self.databases):
            yield from kind()
        yield from processes(self.suite.process.pid)

    def answered(self) -> Iterator[tuple[str, bytes]]:
        for number, answer in enumerate(self.answers):
            yield f"answer {number}", answer
        for number, output in enumerate(self.outputs):
            yield f"output {number}", output.encode()
        greeting = "\n".join(self.suite.printed).encode()
        yield "greeting", TOKEN.sub(b"the one token", greeting, count=1)

    def databases(self) -> Iterator[tuple[str, bytes]]:
        for service in SERVICES:
            yield f"database {service}", self.dump(service)

    def files(self) -> Iterator[tuple[str, bytes]]:
        for path in sorted(self.data_dir.rglob("*")):
            name = str(path.relative_to(self.data_dir))
            if path.is_file() and name not in PRIVATE_FILES:
                yield name, path.read_bytes()

    def traces(self) -> Iterator[tuple[str, bytes]]:
        logs = b"".join(path.read_bytes() for path in (self.data_dir / "logs").iterdir())
        for trace in sorted(set(re.findall(rb'"trace_id": "([0-9a-f]{32})"', logs))):
            yield f"trace {trace.decode()}", self._elsewhere.get(f"{self.book['sink']}/traces/{trace.decode()}").content

    def pages(self) -> Iterator[tuple[str, bytes]]:
        for name, address in self.book["admin"].items():
            for path in ("metrics", "livez", "readyz"):
                yield f"{name} /{path}", self._elsewhere.get(f"http://{address}/{path}").content
        for path in ("/docs", "/openapi.json", "/v1/nothing"):
            yield path, self._http.get(path).content
        for path in ("/jwks.json", "/.well-known/openid-configuration", "/nothing"):
            yield f"issuer {path}", self._elsewhere.get(self.book["issuer"] + path).content

    def dump(self, service: str) -> bytes:
        superuser = json.loads((self.data_dir / "secrets.json").read_text())["postgres"]
        server = ["-h", "127.0.0.1", "-p", str(self.book["postgres_port"]), "-U", "postgres"]
        command = [binary("pg_dump"), *server, service]
        return subprocess.run(command, capture_output=True, check=True, env={"PGPASSWORD": superuser}).stdout


def processes(pid: int) -> Iterator[tuple[str, bytes]]:
    """The command lines of a process and all below it: what `ps` shows to everybody."""
    top = psutil.Process(pid)
    for one in (top, *top.children(recursive=True)):
        try:
            yield f"process {one.pid}", Path(f"/proc/{one.pid}/cmdline").read_bytes()
        except OSError:
            continue


def until(fact, said: str, seconds: float = 30) -> None:
    end = time.monotonic() + seconds
    while not fact():
        assert time.monotonic() < end, said
        time.sleep(0.1)


@pytest.fixture(scope="module")
def run(suite) -> Run:
    """The sample company was loaded; here comes what goes wrong."""
    found = Run(suite)
    stack = suite.client().stack
    admin, stranger, ana = (stack.mint(name) for name in ("users/admin", "users/stranger", "users/ana"))
    broken = [admin[:-5] + "AAAAA", admin + ".x", admin.replace(".", "..", 1), "x", "eyJhbGciOiJub25lIn0.e30."]
    for token in (*broken, "", stranger, ana):
        found.ask("GET", "/v1/leads", token)
        found.ask("POST", "/v1/users?userId=mallory", token, json={"displayName": "Mallory"})
    found.ask("GET", "/v1/leads?access_token=" + quote("x" * 50), admin)
    found.ask("GET", "/v1/leads?pageToken=AAAA", admin)
    found.ask("POST", "/v1/leads", admin, content=b"{")
    for secret in ("wrong", ""):
        form = {"grant_type": "client_credentials", "client_id": "services/leads", "client_secret": secret}
        found.answers.append(httpx.post(f"{found.book['issuer']}/token", data=form).content)
    for arguments in (("report", "channels"), ("events", "dead"), ("nonsense",)):
        found.crmctl(*arguments)
    for server in ("postgres", "nats-server", "issuer"):
        found.kill(server)
        for _ in range(5):
            found.ask("POST", "/v1/leads", admin, json={"displayName": "Outage"})
            found.ask("GET", "/v1/customers", ana)
        until(lambda: found.ask("POST", "/v1/leads", admin, json={"displayName": "Back"}) == 200, f"{server} is back")
    found.kill("leads")
    until(lambda: found.ask("GET", "/v1/leads", admin) == 200, "leads is back")
    return found


def test_no_place_shows_a_secret_after_a_run_with_all_that_goes_wrong(run):
    looked_at = list(run.places())
    assert leaks(iter(looked_at), run.secrets) == {}
    logs = [place for place, _ in looked_at if place.startswith("logs/")]
    traces = [content for place, content in looked_at if place.startswith("trace ") and b"span_id" in content]
    assert len(logs) >= len(SERVICES) + 5
    assert len(traces) > 20
    log = b"".join(content for place, content in looked_at if place.startswith("logs/"))
    assert b"DATABASE_AWAY" in log  # it did go wrong
    assert b"NATS" in log
    size = sum(len(content) for _, content in looked_at)
    print(f"{len(run.secrets)} secrets in {len(looked_at)} places, {size / 1e6:.0f} MB, {len(traces)} traces")


def test_the_greeting_shows_one_token(run):
    assert len(TOKEN.findall("\n".join(run.suite.printed).encode())) == 1


def planted(run: Run, where: str, text: str) -> None:
    """Puts a secret into one kind of place."""
    if where == "log":
        with (run.data_dir / "logs/leads.log").open("a") as log:
            log.write(text + "\n")
    elif where == "trace":
        export = trace_service_pb2.ExportTraceServiceRequest()
        span = export.resource_spans.add().scope_spans.add().spans.add(name="x", trace_id=b"\1" * 16, span_id=b"\1" * 8)
        span.attributes.add(key="x").value.string_value = text
        httpx.post(f"{run.book['sink']}/v1/traces", content=export.SerializeToString()).raise_for_status()
        with (run.data_dir / "logs/leads.log").open("a") as log:
            log.write('{"trace_id": "' + "01" * 16 + '"}\n')
    elif where == "database":
        admin = run.suite.client()
        admin.post("/v1/leads", {"displayName": text[:200]})
    elif where == "answer":
        run.answers.append(text.encode())


@pytest.mark.parametrize(
    ("where", "kind", "place"),
    [
        ("log", Run.files, "logs/leads.log"),
        ("trace", Run.traces, "trace "),
        ("database", Run.databases, "database leads"),
        ("answer", Run.answered, "answer "),
    ],
)
def test_the_search_finds_a_secret_that_is_planted(run, where, kind, place):
    name, secret = next(iter(run.secrets.items()))
    planted(run, where, secret.decode())
    found = leaks(kind(run), run.secrets)
    assert any(name in shown for at, shown in found.items() if at.startswith(place))


def test_the_search_finds_a_token_on_a_command_line(run):
    token = run.suite.client().stack.mint("users/ana")
    shown = subprocess.Popen([sys.executable, "-c", "input()", token], stdin=subprocess.PIPE)
    try:
        assert leaks(processes(os.getpid()), {})[f"process {shown.pid}"] == ["a token"]
    finally:
        shown.communicate(b"\n")


def test_what_holds_secrets_can_be_read_by_its_owner_only(run):
    for name in (*PRIVATE_FILES, "stack.json"):
        assert stat.S_IMODE((run.data_dir / name).stat().st_mode) == 0o600, name
    for name in ("logs", "postgres", "nats", "files", "run"):
        assert stat.S_IMODE((run.data_dir / name).stat().st_mode) == 0o700, name
    top = psutil.Process(run.suite.process.pid)
    for one in (top, *top.children(recursive=True)):
        environment = Path(f"/proc/{one.pid}/environ")
        assert stat.S_IMODE(environment.stat().st_mode) & 0o077 == 0, one.name()


def test_a_process_is_told_its_own_secrets_only(run):
    """The environment of a service holds its own passwords, not those of others, nor the administrator's."""
    known = json.loads((run.data_dir / "secrets.json").read_text())
    pids = json.loads((run.data_dir / "stack.json").read_text())["pids"]
    for service in (*SERVICES, "gateway", "telemetry-sink"):
        environment = Path(f"/proc/{pids[service]}/environ").read_bytes()
        own = {("databases", service), ("nats", service), ("clients", f"services/{service}")}
        for kind in ("databases", "nats", "clients"):
            for name, secret in known[kind].items():
                assert (secret.encode() in environment) == ((kind, name) in own), (service, kind, name)
        assert known["postgres"].encode() not in environment


def test_the_repository_holds_no_secret(run):
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True).stdout.split(b"\0")
    files = [ROOT / name.decode() for name in listed if name]
    assert len(files) > 300
    found = leaks(((str(path), path.read_bytes()) for path in files if path.is_file()), run.secrets)
    assert found == {}
