"""The commands of crmctl, run as people run them."""

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar

import jwt
import pytest
from crmctl.connection import Client, Refused, connect
from crmctl.problem import Problem
from opentelemetry import trace as api
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor

from stack.suite import Suite


def crmctl(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    clean = {name: value for name, value in os.environ.items() if not name.startswith("CRM_")}
    return subprocess.run(
        [sys.executable, "-m", "crmctl", *arguments], capture_output=True, text=True, env=clean | environment
    )


def subject(token: str) -> object:
    return jwt.decode(token, options={"verify_signature": False})["sub"]


@pytest.mark.parametrize(
    ("option", "expected"),
    [
        ([], "users/admin"),
        (["--user", "ana"], "users/ana"),
        (["--user", "users/ana"], "users/ana"),
        (["--service-account", "importer"], "serviceAccounts/importer"),
        (["--service", "leads"], "services/leads"),
        (["--role", "admin"], "users/eva"),
        (["--role", "administrator"], "users/eva"),
        (["--role", "salesperson"], "users/ana"),
    ],
)
def test_a_token_is_printed_for_whom_the_option_names_and_nothing_else(
    suite: Suite, option: list[str], expected: str
) -> None:
    done = crmctl("token", *option, "--data-dir", str(suite.data_dir))
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    assert subject(done.stdout.strip()) == expected
    assert done.stdout == done.stdout.strip() + "\n"


def test_the_data_folder_may_come_from_the_environment_or_before_the_command(suite: Suite) -> None:
    for done in (
        crmctl("token", CRM_DATA_DIR=str(suite.data_dir)),
        crmctl("--data-dir", str(suite.data_dir), "token"),
    ):
        assert subject(done.stdout.strip()) == "users/admin"


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--user", "ana", "--role", "admin"], "Only one of"),
        (["--role", "astronaut"], "No active user has the role astronaut"),
    ],
)
def test_a_token_that_cannot_be_given_is_one_sentence(suite: Suite, arguments: list[str], expected: str) -> None:
    done = crmctl("token", *arguments, "--data-dir", str(suite.data_dir))
    assert (done.returncode, done.stdout) == (1, "")
    assert expected in done.stderr
    assert done.stderr.count("\n") == 1


def test_a_folder_without_a_running_suite_is_one_sentence(tmp_path: Path) -> None:
    done = crmctl("token", "--data-dir", str(tmp_path))
    assert done.returncode == 1
    assert "No suite runs in" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_trace_is_drawn_as_a_tree_with_its_linked_trace(suite: Suite) -> None:
    provider = TracerProvider(resource=Resource.create({"service.name": "leads"}))
    provider.add_span_processor(SimpleSpanProcessor(OTLPSpanExporter(f"{suite.addresses['sink']}/v1/traces")))
    tracer = provider.get_tracer("test")
    with tracer.start_as_current_span("QualifyLead") as request, tracer.start_as_current_span("flush") as flush:
        flush.set_status(api.StatusCode.ERROR, "[stale]")
    with tracer.start_as_current_span("credit the campaign", links=[api.Link(request.get_span_context())]):
        pass
    provider.shutdown()
    trace_id = format(request.get_span_context().trace_id, "032x")

    plain = crmctl("trace", trace_id, "--data-dir", str(suite.data_dir))
    assert plain.returncode == 0, plain.stderr
    top, outer, inner = plain.stdout.splitlines()
    assert trace_id in top
    assert "2 spans" in top
    assert "leads  QualifyLead" in outer
    assert "━" in outer
    assert " ms" in outer
    assert inner.index("flush") > outer.index("QualifyLead")
    assert "ERROR [stale]" in inner
    assert "\x1b" not in plain.stdout

    followed = crmctl("trace", trace_id, "--follow", "--data-dir", str(suite.data_dir))
    assert "credit the campaign" in followed.stdout
    assert f"↗ {trace_id}" in followed.stdout


def test_an_unknown_trace_is_one_sentence(suite: Suite) -> None:
    done = crmctl("trace", "0" * 32, "--data-dir", str(suite.data_dir))
    assert done.returncode == 1
    assert "No span of the trace" in done.stderr


def test_a_list_is_read_over_all_its_pages(suite: Suite) -> None:
    users = connect(data_dir=suite.data_dir).each("/v1/users", "users", pageSize=2)
    assert [user["name"] for user in users] == ["users/zoe", "users/max", "users/eva", "users/ana"]


def test_a_local_client_can_act_as_somebody_else(suite: Suite) -> None:
    acting = connect(data_dir=suite.data_dir).acting_as("serviceAccounts/importer")
    assert subject(acting._token(False)) == "serviceAccounts/importer"


class Scripted(BaseHTTPRequestHandler):
    """Answers with the next entry of `script`; remembers the headers of each request."""

    script: ClassVar[list[tuple[int, dict[str, str], bytes]]] = []
    seen: ClassVar[list[dict[str, str]]] = []

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["content-length"]))
        self.seen.append({name.lower(): value for name, value in self.headers.items()})
        status, headers, body = self.script.pop(0)
        self.send_response(status)
        for name, value in (headers | {"content-length": str(len(body))}).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Nothing on the test's output."""


@pytest.fixture
def scripted() -> Iterator[Client]:
    Scripted.script, Scripted.seen = [], []
    server = ThreadingHTTPServer(("127.0.0.1", 0), Scripted)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    client = connect(f"http://127.0.0.1:{server.server_port}", "given")
    yield client
    client.close()
    server.shutdown()
    server.server_close()


def test_a_refusal_for_now_is_tried_again_with_the_same_key(scripted: Client) -> None:
    Scripted.script = [
        (503, {"retry-after": "0"}, b""),
        (429, {"retry-after": "0"}, b""),
        (200, {}, b'{"name": "leads/1"}'),
    ]
    assert scripted.post("/v1/leads", {"displayName": "Jo"}, key="k", actor="users/ana") == {"name": "leads/1"}
    assert [seen["idempotency-key"] for seen in Scripted.seen] == ["k", "k", "k"]
    assert {(seen["crm-actor"], seen["authorization"]) for seen in Scripted.seen} == {("users/ana", "Bearer given")}


def test_an_error_answer_is_one_sentence_with_the_reason_the_fields_and_the_trace(scripted: Client) -> None:
    problem = (
        b'{"status": 400, "title": "Bad Request", "detail": "The request is invalid.", "reason": "INVALID_FIELDS", '
        b'"traceId": "abc", "violations": [{"field": "lead.email", "reason": "is no e-mail address"}]}'
    )
    Scripted.script = [(400, {"content-type": "application/problem+json"}, problem)]
    with pytest.raises(Refused) as refused:
        scripted.post("/v1/leads", {})
    assert refused.value.reason == "INVALID_FIELDS"
    said = str(refused.value)
    assert said.startswith("The request is invalid. lead.email: is no e-mail address.")
    assert "400 INVALID_FIELDS; crmctl trace abc" in said


def test_an_answer_that_is_no_json_is_still_a_sentence(scripted: Client) -> None:
    Scripted.script = [(502, {}, b"<html>Bad Gateway</html>")]
    with pytest.raises(Refused, match="Bad Gateway"):
        scripted.post("/v1/leads", {})


def test_nobody_at_the_address_is_one_sentence() -> None:
    with pytest.raises(Problem, match="does not answer"):
        connect("http://127.0.0.1:1", "given").get("/v1/leads")


def test_a_given_address_needs_a_token(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(Problem, match="--token"):
        connect("http://127.0.0.1:1")
    with pytest.raises(Problem, match="--data-dir"):
        connect()
