"""A support bundle holds nothing of a person and no secret: what lies in records, settings and logs is looked for in
it, and the same search finds all of it where it came from."""

import asyncio
import base64
import json
import re
import tarfile
from pathlib import Path
from typing import Any

import psutil
import pytest
from chassis.settings import SERVICES, variable
from cli.doctor.conftest import COMPANY, EMAIL, LEAD, MAIL_SECRET, PHONE, USER, Ward
from crmctl.bundle import settings
from crmctl.bundle.packing import pack
from crmctl.doctor.examination import examine
from crmctl.doctor.findings import Level
from crmctl.doctor.installation import find

STATEMENT = f"2026-11-26 11:20:08.803 UTC [9386] leads@leads ERROR:  no: Key (email)=({EMAIL}) exists."
PERSONS = {USER, LEAD, EMAIL, PHONE, COMPANY}


def leaves(value: Any) -> list[str]:
    """Every secret of secrets.json."""
    if isinstance(value, dict):
        return [leaf for one in value.values() for leaf in leaves(one)]
    return [value]


def found(wanted: set[str], files: dict[str, bytes]) -> set[str]:
    """What of `wanted` is in the names or contents of files, as it is or as JSON, URLs or Base64 would write it."""
    haystack = b"\n".join(part for name, content in files.items() for part in (name.encode(), content))
    return {
        one
        for one in wanted
        if any(
            form.encode() in haystack
            for form in (one, json.dumps(one)[1:-1], one.replace("+", "%2B"), base64.b64encode(one.encode()).decode())
        )
    }


def opened(file: Path) -> dict[str, bytes]:
    with tarfile.open(file) as archive:
        members = [(one, archive.extractfile(one)) for one in archive.getmembers()]
        return {one.name.removeprefix("crm-bundle/"): content.read() for one, content in members if content}


def logged(ward: Ward) -> None:
    """Lines as processes write them, with people in their values; and lines of others."""
    broken = f'Traceback (most recent call last):\n  File "x.py", line 1, in f\nValueError: {USER}: {EMAIL}\n{LEAD}: no'
    lines = [
        {"level": "WARNING", "message": f"answered 400: {LEAD} <{EMAIL}> is known", "trace_id": "a" * 32},
        {"level": "ERROR", "message": f"event crm.leads.v1.LeadCreated {PHONE} failed", "error": broken},
        {"level": "WARNING", "message": f"{USER} of {COMPANY} says something that no code of ours says"},
        {"level": LEAD, "message": f"relay waits: {MAIL_SECRET}", "error": f"{EMAIL}: x", "process": USER},
    ]
    with (ward.suite.data_dir / "logs/leads.log").open("a") as log:
        for line in lines:
            log.write(json.dumps({"time": "2026-11-26T11:20:28.485Z"} | line, ensure_ascii=False) + "\n")
        log.write(f"{LEAD} without any form\n")
    with (ward.suite.data_dir / "logs/postgres.log").open("a") as log:
        log.write(f"{STATEMENT}\n")


def secrets(ward: Ward) -> set[str]:
    known = set(leaves(json.loads((ward.suite.data_dir / "secrets.json").read_text())))
    key = (ward.suite.data_dir / "issuer.pem").read_text().splitlines()[1]
    return known | {key, MAIL_SECRET, "rosa-8264", "hunter2-secret", "127.0.0.1"}


@pytest.fixture(scope="module")
def bundle(ward: Ward, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    logged(ward)
    file = tmp_path_factory.mktemp("bundle") / "bundle.tar.gz"
    url = f"postgresql://leads_owner:hunter2-secret@127.0.0.1:{ward.stack.addresses['postgres_port']}/leads"
    # What is wrong on purpose: a database that refuses, a secret in a setting that would be shown.
    done = ward.run("bundle", str(file), DATABASE_URL_LEADS=url, READ_LIMIT="hunter2-secret", ANYTHING=USER)
    assert done.returncode == 0, done.stdout + done.stderr
    assert file.stat().st_mode & 0o777 == 0o600
    return opened(file)


def test_no_person_and_no_secret_is_in_the_bundle(ward: Ward, bundle: dict[str, bytes]) -> None:
    assert found(PERSONS | secrets(ward), bundle) == set()


def test_the_same_search_finds_all_of_them_where_they_came_from(ward: Ward) -> None:
    """Settings of processes, logs, secrets and records as they are, packed without a list of what may be seen."""
    data = ward.suite.data_dir
    raw = {
        path.name: path.read_bytes()
        for path in (*(data / "logs").iterdir(), data / "secrets.json", data / "issuer.pem")
    }
    for name, pid in ward.stack.addresses["pids"].items():
        raw[name] = json.dumps(psutil.Process(pid).environ()).encode()
    raw["crmctl"] = b"READ_LIMIT=hunter2-secret"
    assert found(PERSONS | secrets(ward), raw) == PERSONS | secrets(ward)
    records = ward.suite.client().get("/v1/leads")["leads"]
    assert found({LEAD, EMAIL, COMPANY}, {"leads": json.dumps(records).encode()}) == {LEAD, EMAIL, COMPANY}


def test_what_helps_is_in_it(bundle: dict[str, bytes]) -> None:
    doctor, schemas = json.loads(bundle["doctor.json"]), json.loads(bundle["schemas.json"])
    refused = next(one for one in doctor["findings"] if (one["part"], one["check"]) == ("leads", "database"))
    assert refused["level"] == "FAIL"
    assert "detail" not in refused
    assert schemas["sales"]["found"] == schemas["sales"]["wanted"]
    assert json.loads(bundle["streams.json"])["stream of leads"]["messages"] >= 1
    assert json.loads(bundle["versions.json"])["servers"].keys() >= {"nats"}
    assert re.search(rb'^crm_calls_total\{method="crm\.leads\.v1\.LeadService/CreateLead",code="OK"\} 1$',
                     bundle["metrics/leads.txt"], re.MULTILINE)  # fmt: skip


def test_settings_are_shown_by_their_value_only_if_they_are_what_they_should_be(bundle: dict[str, bytes]) -> None:
    shown = json.loads(bundle["settings.json"])
    assert shown["crmctl"]["READ_LIMIT"] == settings.ODD
    assert shown["crmctl"]["DATABASE_URL_LEADS"] == shown["leads"]["SMTP_URL"] == settings.SET
    assert shown["sales"]["SMTP_URL"] == settings.EMPTY
    assert "ANYTHING" not in shown["crmctl"]


def test_of_logs_there_are_templates_and_kinds_of_errors(bundle: dict[str, bytes]) -> None:
    log = json.loads(bundle["logs/leads.json"])
    last = log["last"][-4:]
    assert [one["template"] for one in last] == [
        "answered %d: %s", "event %s %s failed", "(a line of another origin)", "relay waits: %s",
    ]  # fmt: skip
    assert [one.get("error", "") for one in last] == ["", "ValueError", "", ""]
    assert (last[3]["level"], last[0]["time"]) == ("", "2026-11-26T11:20:28.485Z")
    assert log["not_ours"] == 1
    assert json.loads(bundle["logs/postgres.json"])["levels"]["ERROR"] == 1


def test_the_manifest_names_every_file_and_what_is_not_there(bundle: dict[str, bytes]) -> None:
    text = bundle["MANIFEST.md"].decode()
    assert set(re.findall(r"^\| (\S+) \|.*\| \w{64} \|$", text, re.MULTILINE)) == bundle.keys() - {"MANIFEST.md"}
    assert "## What is not in it" in text


def test_a_file_that_exists_is_not_written_over(ward: Ward, tmp_path: Path) -> None:
    file = tmp_path / "bundle.tar.gz"
    file.write_bytes(b"mine")
    done = ward.run("bundle", str(file))
    assert done.returncode == 1
    assert "exists already" in done.stderr
    assert file.read_bytes() == b"mine"


def test_an_installation_that_is_known_by_its_addresses_only_is_examined_and_packed(ward: Ward, tmp_path: Path) -> None:
    """As in a cluster: what is usual on one's own machine is a warning there, and no log is at hand."""
    stack, book = ward.stack, ward.stack.addresses
    env = {f"{variable('DATABASE_URL', one)}_OWNER": stack.database_url(one) for one in book["services"]}
    env |= {variable("UPSTREAM", one): address for one, address in book["services"].items()}
    env |= {variable("ADMIN", one): address for one, address in book["admin"].items()}
    env |= {"NATS_URL": stack.nats_url, "OIDC_JWKS_URL": f"{book['issuer']}/jwks.json"}
    installation = find(book["http"], None, [], env)
    report = asyncio.run(examine(installation, 5))
    warned = {(one.part, one.check) for one in report.findings if one.level is not Level.OK}
    assert warned == {("postgres", "standby"), *(("nats", f"stream of {one}") for one in SERVICES)}
    assert report.worst is Level.WARN
    pack(tmp_path / "bundle.tar.gz", installation, report)
    files = opened(tmp_path / "bundle.tar.gz")
    assert not [name for name in files if name.startswith("logs/")]
    assert "by its addresses" in files["MANIFEST.md"].decode()
    assert found(PERSONS | secrets(ward), files) == set()
