"""Alerts and dashboards ask for numbers that there are, each alert has its page, and fires when it should."""

import json
import re
import shutil
import subprocess
import urllib.request
from asyncio import to_thread

import pytest
import yaml
from chassis.testing import Backend
from crm.leads.v1 import leads_pb2
from gateway.admin import Metrics
from gateway.admission import Admission
from gateway.connections import Connections
from google.protobuf.descriptor_pb2 import FileDescriptorSet
from harness import start
from rendered import CHART, ROOT, of_kind, render

from chassis import streams

RULES = {path.stem: yaml.safe_load(path.read_text()) for path in (CHART / "files/rules").glob("*.yaml")}
BOARDS = {path.stem: json.loads(path.read_text()) for path in (CHART / "files/dashboards").glob("*.json")}
RUNBOOKS = {path.stem: path.read_text() for path in (ROOT / "docs/runbooks").glob("Crm*.md")}
OF_THE_CLUSTER = {"kube_job_status_failed", "kube_job_status_succeeded"}  # kube-state-metrics
MADE_OF_HISTOGRAMS = ("_bucket", "_sum", "_count")


def asked(board: dict) -> list[str]:
    queries = [target["expr"] for panel in board["panels"] for target in panel["targets"]]
    return queries + [one["query"] for one in board["templating"]["list"]]


@pytest.fixture(scope="module")
async def told(issuer) -> set[str]:
    """The names of all that a service and the gateway tell Prometheus."""
    with Backend.running() as backend:
        await streams.make(backend.nats_url, ("leads",))
        leads = await start("leads", backend, issuer)
        lead = leads_pb2.Lead(display_name="Ana", email="ana@example.com")
        await leads.call("LeadService/CreateLead", leads_pb2.CreateLeadRequest(lead=lead), by="users/root")
        address = f"http://{leads.admin_address}/metrics"
        service = await to_thread(lambda: urllib.request.urlopen(address, timeout=5).read().decode())
        await leads.stop()
    gateway = Metrics()
    gateway.count("crm.leads.v1.LeadService/CreateLead", 200, 0.1)
    admission = Admission(["leads"])
    gateway.sections += [admission.text, Connections(admission, lambda _: "leads", print, 1).text]
    return set(re.findall(r"^(?:# TYPE )?(crm_\w+)", service + gateway.text(), re.MULTILINE))


@pytest.mark.parametrize("name", RULES)
def test_an_alert_asks_for_numbers_that_there_are(name, told):
    metrics = set(re.findall(r"\b(?:crm|kube)_[a-z_]+", RULES[name]["expr"]))
    assert metrics
    assert metrics <= told | OF_THE_CLUSTER


@pytest.mark.parametrize("name", BOARDS)
def test_a_dashboard_asks_for_numbers_that_there_are(name, told):
    metrics = {found for query in asked(BOARDS[name]) for found in re.findall(r"\bcrm_[a-z_]+", query)}
    assert metrics
    assert metrics <= told


def test_the_search_for_numbers_finds_what_is_not_there(told):
    assert "crm_outbox_oldest_seconds" in told
    assert "crm_gateway_admitted_seconds_bucket" in told
    assert "crm_outbox_age" not in told


def test_the_steps_of_a_journey_are_calls_of_the_contract():
    methods = set(re.findall(r'method="([^"]+)"', " ".join(asked(BOARDS["journeys"]))))
    assert len(methods) == 8
    contract = FileDescriptorSet.FromString((ROOT / "proto/gen/crm.binpb").read_bytes())
    assert methods <= {
        f"{file.package}.{service.name}/{method.name}"
        for file in contract.file
        for service in file.service
        for method in service.method
    }


def test_each_alert_has_its_page_and_each_page_its_alert():
    assert RULES.keys() == RUNBOOKS.keys()
    for name, rule in RULES.items():
        assert rule["alert"] == name
        assert rule["annotations"]["runbook"] == f"docs/runbooks/{name}.md"
        assert rule["labels"]["severity"] in ("critical", "warning")


@pytest.mark.parametrize("name", RUNBOOKS)
def test_a_page_says_what_it_means_and_what_to_do(name):
    headings = re.findall(r"^#+ (.*)$", RUNBOOKS[name], re.MULTILINE)
    assert headings == [name, "What it means", "What to do", "When it is over"]


@pytest.mark.parametrize("name", RUNBOOKS)
def test_a_page_names_commands_that_there_are(name):
    for group, command in re.findall(r"crmctl (\w+) (\w+)", RUNBOOKS[name]):
        module = (ROOT / "cli/crmctl" / f"{group}.py").read_text()
        assert re.search(rf"def {command}\b|command\(\"{command}\"", module), f"crmctl {group} {command}"


def test_the_chart_ships_every_alert_and_dashboard():
    [shipped] = of_kind("production", "PrometheusRule")
    assert sorted(shipped["spec"]["groups"][0]["rules"], key=lambda rule: rule["alert"]) == [
        RULES[name] for name in sorted(RULES)
    ]
    boards = [thing["data"] for thing in of_kind("production", "ConfigMap") if "dashboard" in thing["metadata"]["name"]]
    assert {key.removesuffix(".json"): json.loads(text) for one in boards for key, text in one.items()} == BOARDS


def test_an_alert_can_be_left_out():
    values = str(CHART / "ci/production-values.yaml")
    done = render("--values", values, "--set", "telemetry.prometheusRule.exclude={CrmSlow}")
    assert "alert: CrmSlow" not in done.stdout
    assert "alert: CrmErrors" in done.stdout


def series(name: str, values: str, **labels: str) -> dict:
    text = ",".join(f'{key}="{value}"' for key, value in {"namespace": "crm", "pod": "p-1", **labels}.items())
    return {"series": f"{name}{{{text}}}", "values": values}


def calls(failed: int) -> list[dict]:
    """A thousand a minute for seven hours, some of which fail."""
    return [
        series("crm_gateway_requests_total", f"0+{1000 - failed}x420", component="gateway", status="200"),
        series("crm_gateway_requests_total", f"0+{failed}x420", component="gateway", status="503"),
    ]


def answers(slow: int) -> list[dict]:
    """A hundred a minute, some of which take up to four seconds."""
    buckets = {"0.5": 100 - slow, "4": 100, "+Inf": 100}
    name = "crm_gateway_admitted_seconds_bucket"
    return [series(name, f"0+{number}x420", component="gateway", le=le) for le, number in buckets.items()]


def leads(name: str, values: str, **labels: str) -> list[dict]:
    return [series(name, values, component="leads", **labels)]


# What Prometheus reads each minute for seven hours: where the alert fires at the end, and where it does not.
CASES = {
    "CrmErrors": (calls(failed=15), calls(failed=14)),
    "CrmErrorsSlowly": (calls(failed=7), calls(failed=6)),
    "CrmSlow": (answers(slow=2), answers(slow=0)),
    "CrmOverloaded": tuple(
        [series("crm_gateway_refused_total", f"0+{number}x420", component="gateway", service="leads", reason="line")]
        for number in (61, 59)
    ),
    "CrmServiceAway": (leads("crm_tasks", "9x400 stale"), leads("crm_tasks", "9x420")),
    "CrmNatsAway": (leads("crm_nats_connected", "1x400 0x20"), leads("crm_nats_connected", "0x400 1x20")),
    "CrmOutboxStuck": (leads("crm_outbox_oldest_seconds", "61x420"), leads("crm_outbox_oldest_seconds", "60x420")),
    "CrmEventsWait": tuple(leads("crm_events_waiting", f"{n}x420", producer="sales") for n in (1001, 1000)),
    "CrmDeadLetters": (leads("crm_dead_letters_open", "0x400 1x20"), leads("crm_dead_letters_open", "1x400 0x20")),
    "CrmEventsFail": (leads("crm_events_failed_total", "0+13x420"), leads("crm_events_failed_total", "0+12x420")),
    "CrmTimersOverdue": (leads("crm_timers_overdue", "1x420"), leads("crm_timers_overdue", "1x400 0x20")),
    "CrmIssuerAway": tuple(leads("crm_issuer_keys_age_seconds", f"{n}x420") for n in (901, 900)),
    "CrmTokensRefused": tuple(
        leads("crm_tokens_refused_total", f"0+{number}x420", reason="expired") for number in (61, 59)
    ),
    "CrmSomebodyReadsMuch": (leads("crm_volume_alarms_total", "0x410 1x10"), leads("crm_volume_alarms_total", "1x420")),
    "CrmMigrationFailed": (
        [series("kube_job_status_failed", "1x420", job_name="crm-migrate-leads")],
        [series(f"kube_job_status_{how}", "1x420", job_name="crm-migrate-leads") for how in ("failed", "succeeded")],
    ),
}


def test_every_alert_is_played():
    assert CASES.keys() == RULES.keys()


@pytest.mark.parametrize(("name", "fires"), [(name, fires) for name in CASES for fires in (True, False)])
def test_an_alert_fires_when_it_should_and_only_then(name, fires, tmp_path):
    promtool = shutil.which("promtool")
    if not promtool:
        pytest.skip("promtool (Debian: prometheus) is not installed: nobody saw the alerts fire")
    rule = {key: value for key, value in RULES[name].items() if key != "annotations"}
    (tmp_path / "rules.yaml").write_text(yaml.safe_dump({"groups": [{"name": "crm", "rules": [rule]}]}))
    test = {
        "interval": "1m",
        "input_series": CASES[name][0 if fires else 1],
        "promql_expr_test": [
            {"expr": f'count(ALERTS{{alertname="{name}",alertstate="firing"}})', "eval_time": "420m",
             "exp_samples": [{"labels": "{}", "value": 1}] if fires else []},
        ],
    }  # fmt: skip
    (tmp_path / "test.yaml").write_text(yaml.safe_dump({"rule_files": ["rules.yaml"], "tests": [test]}))
    done = subprocess.run(
        [promtool, "test", "rules", str(tmp_path / "test.yaml")], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
