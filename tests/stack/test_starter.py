"""The starter as people meet it: a process that starts others, says what is wrong, and leaves nothing behind."""

import asyncio
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import asyncpg
import httpx
import psutil
import pytest
from chassis.settings import SERVICES, variable
from chassis.stack.databases import as_role, in_database
from chassis.stack.secrets_file import Secrets
from chassis.testing import Backend

from stack.suite import DEADLINE_SECONDS, SUITE, Suite

Start = Callable[..., Suite]


def sentence(suite: Suite) -> str:
    """What a starter said that could not start; it must be the only line after its progress."""
    assert suite.process.wait(DEADLINE_SECONDS) == 1
    return suite.lines[-1]


def postgres_url(suite: Suite) -> str:
    """The superuser's address, from the configuration the starter wrote."""
    settings = (suite.data_dir / "postgres" / "crm.conf").read_text()
    port = next(line.split("=")[1].strip() for line in settings.splitlines() if line.startswith("port"))
    known = Secrets.load(suite.data_dir / "secrets.json")
    return f"postgresql://postgres:{known.postgres}@127.0.0.1:{port}/postgres"


def test_a_started_suite_says_where_it_is_and_then_that_it_is_ready(suite: Suite) -> None:
    text = "\n".join(suite.lines)
    addresses = suite.addresses
    assert f"REST   {addresses['http']}" in text
    assert f"{addresses['http']}/docs" in text
    assert addresses["grpc"] in text
    assert "crmctl token --role admin" in text
    assert suite.lines[-1].startswith(f"ready {addresses['http']}")


def test_piped_output_has_no_colour_codes(suite: Suite) -> None:
    assert "\x1b" not in "\n".join(suite.lines)


def test_every_command_line_shows_the_name_of_its_process(suite: Suite) -> None:
    commands = [" ".join(process.cmdline()) for process in suite.family()]
    for name in ("postgres", "nats-server", "directory", "service-desk", "gateway", "issuer", "telemetry_sink"):
        assert any(name in command for command in commands), name


def test_a_service_is_told_its_own_secrets_and_nobody_elses(suite: Suite) -> None:
    told = httpx.get(f"http://{suite.addresses['admin']['service-desk']}/readyz").json()["environment"]
    known = Secrets.load(suite.data_dir / "secrets.json")
    assert told["DATABASE_URL"].startswith(f"postgresql://service-desk:{known.databases['service-desk'].data}@")
    assert told["CLIENT_ID"] == "services/service-desk"
    assert told["UPSTREAM_SALES"] == suite.addresses["services"]["sales"]
    assert told["OTEL_EXPORTER_OTLP_ENDPOINT"] == suite.addresses["sink"]
    everything = " ".join(told.values())
    assert known.databases["service-desk"].owner not in everything
    assert known.databases["sales"].data not in everything
    assert known.nats["admin"] not in everything


def test_ctrl_c_stops_all_within_ten_seconds_and_leaves_no_process(starting: Start) -> None:
    suite = starting()
    family = suite.family()
    assert len(family) > 8
    began = time.monotonic()
    suite.process.send_signal(signal.SIGINT)
    output, _ = suite.process.communicate(timeout=DEADLINE_SECONDS)
    assert time.monotonic() - began < 10
    assert suite.process.returncode == 0
    assert "Stopped" in output
    assert not [process for process in family if process.is_running()]
    assert not (suite.data_dir / "stack.json").exists()


@pytest.mark.skipif(sys.platform != "linux", reason="only the kernel of Linux ends the children of who was killed")
def test_killing_the_starter_leaves_no_process(starting: Start) -> None:
    suite = starting()
    family = suite.family()
    suite.process.kill()
    suite.process.wait(DEADLINE_SECONDS)
    _, alive = psutil.wait_procs(family, timeout=DEADLINE_SECONDS)
    assert not alive


def test_a_suite_starts_again_at_once_after_its_starter_was_killed(starting: Start) -> None:
    suite = starting()
    suite.process.kill()
    assert starting().lines[-1].startswith("ready ")


def test_ctrl_c_during_the_start_leaves_no_process(starting: Start, tmp_path: Path) -> None:
    process = subprocess.Popen([sys.executable, str(SUITE), str(tmp_path / "data")], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline().startswith("Starting")
    family = psutil.Process(process.pid).children(recursive=True)
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=DEADLINE_SECONDS)
    assert process.returncode == 0
    assert not [one for one in family if one.is_running()]
    assert starting().lines[-1].startswith("ready ")


def test_a_killed_service_is_back_at_its_address_with_a_new_process(starting: Start) -> None:
    suite = starting()
    before = suite.addresses
    os.kill(before["pids"]["directory"], signal.SIGKILL)
    until(lambda: suite.addresses["pids"]["directory"] != before["pids"]["directory"])
    assert suite.addresses["admin"] == before["admin"]
    until(lambda: answers(f"http://{before['admin']['directory']}/readyz"))


def test_a_killed_postgres_is_back_at_its_address_with_its_data(starting: Start) -> None:
    suite = starting()
    url, killed = postgres_url(suite), suite.addresses["pids"]["postgres"]
    asyncio.run(statement(url, "create table kept as select 42 as answer"))
    os.kill(killed, signal.SIGKILL)
    until(lambda: suite.addresses["pids"]["postgres"] != killed)
    assert asyncio.run(statement(url, "select answer from kept")) == 42


def test_data_is_there_on_the_next_start(starting: Start) -> None:
    suite = starting()
    asyncio.run(statement(in_database(postgres_url(suite), "service-desk"), "create table kept as select 42 as answer"))
    suite.end()
    again = starting()
    assert asyncio.run(statement(in_database(postgres_url(again), "service-desk"), "select answer from kept")) == 42


def test_a_data_role_cannot_reach_the_database_of_another_service(suite: Suite) -> None:
    known = Secrets.load(suite.data_dir / "secrets.json").databases["leads"]
    own = as_role(postgres_url(suite), "leads", known.data, "leads")
    assert asyncio.run(statement(own, "select 1")) == 1
    for database in ("sales", "service-desk", "postgres", "template1"):
        for role, password in (("leads", known.data), ("leads_owner", known.owner)):
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                asyncio.run(statement(as_role(own, role, password, database), "select 1"))


def test_the_files_with_secrets_are_readable_by_their_owner_only(suite: Suite) -> None:
    for name in ("secrets.json", "issuer.pem", "stack.json", "nats", "nats/nats.conf", "postgres", "files", "logs"):
        assert (suite.data_dir / name).stat().st_mode & 0o077 == 0, name


def test_given_servers_are_used_and_none_is_started(starting: Start, tmp_path: Path, servers: Backend) -> None:
    given = {variable("DATABASE_URL", service): servers.create_database(service).url for service in SERVICES}
    suite = starting(tmp_path / "data", env=given | {"NATS_URL": servers.nats_url})
    assert suite.lines[-1].startswith("ready ")
    assert set(suite.addresses["pids"]) == {"issuer", "telemetry-sink", "directory", "service-desk", "gateway"}
    told = httpx.get(f"http://{suite.addresses['admin']['directory']}/readyz").json()["environment"]
    assert told["DATABASE_URL"] == given["DATABASE_URL_DIRECTORY"]
    assert told["NATS_URL"] == servers.nats_url
    assert not (suite.data_dir / "postgres").exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
def test_root_can_run_it_below_a_folder_only_root_may_enter(suite: Suite) -> None:
    assert suite.data_dir.parent.stat().st_mode & 0o777 == 0o700
    assert psutil.pid_exists(suite.addresses["pids"]["postgres"])


def test_a_taken_port_is_a_sentence_that_names_the_setting(starting: Start, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        said = sentence(starting(tmp_path / "data", str(port)))
    assert str(port) in said
    assert "--http-port" in said
    assert "HTTP_PORT" in said


def test_a_data_folder_in_use_is_a_sentence_that_names_the_setting(starting: Start, suite: Suite) -> None:
    said = sentence(starting(suite.data_dir))
    assert "in use" in said
    assert "--data-dir" in said
    assert "CRM_DATA_DIR" in said
    assert answers(f"http://{suite.addresses['admin']['gateway']}/readyz")


def test_a_folder_that_cannot_be_made_is_a_sentence_that_names_the_setting(starting: Start, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    said = sentence(starting(tmp_path / "file" / "data"))
    assert "cannot be written" in said
    assert "--data-dir" in said


def test_a_cluster_of_another_major_version_is_a_sentence_and_stays_untouched(starting: Start, tmp_path: Path) -> None:
    cluster = tmp_path / "data" / "postgres"
    cluster.mkdir(parents=True)
    (cluster / "PG_VERSION").write_text("15\n")
    said = sentence(starting())
    assert "15" in said
    assert "18" in said
    assert "--data-dir" in said
    assert [path.name for path in cluster.iterdir()] == ["PG_VERSION"]


def test_lost_passwords_are_a_sentence(starting: Start, tmp_path: Path) -> None:
    starting().end()
    (tmp_path / "data" / "secrets.json").unlink()
    assert "secrets.json" in sentence(starting())


async def statement(url: str, sql: str) -> object:
    """The first value of the answer."""
    connection = await asyncpg.connect(url, ssl=False)
    try:
        return await connection.fetchval(sql)
    finally:
        await connection.close()


def answers(url: str) -> bool:
    try:
        return httpx.get(url).status_code == 200
    except httpx.TransportError:
        return False


def until(fact: Callable[[], bool]) -> None:
    """Wait for a fact, and fail if it does not come true."""
    deadline = time.monotonic() + DEADLINE_SECONDS
    while not fact():
        assert time.monotonic() < deadline, "waited too long"
