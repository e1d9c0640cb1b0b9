"""What doctor thinks of what it saw: every rule on both sides, without a suite."""

import ast
import asyncio
import re
import time
import tomllib
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest
from crmctl.doctor import databases, examination, postgres, processes, streams
from crmctl.doctor.findings import Finding, Findings, Level
from crmctl.doctor.installation import Installation, admin_ports, find
from crmctl.doctor.processes import Process
from crmctl.problem import Problem
from hypothesis import given
from hypothesis import strategies as st
from nats.js.api import ClusterInfo, PeerInfo

from chassis import release

ROOT = Path(__file__).parents[3]
CODE = [ast.parse(path.read_text()) for path in (ROOT / "cli/crmctl/doctor").glob("*.py")]
OK, WARN, FAIL = Level.OK, Level.WARN, Level.FAIL
SOUND = {
    "standby": False, "version": "18.4", "read_only": "off", "fsync": "on", "full_page_writes": "on",
    "synchronous_commit": "on", "synchronous_standby_names": "first 1 (b)", "standbys": 1, "most": 200, "reserved": 3,
    "used": 20,
}  # fmt: skip
REMOTE = Installation(("leads", "sales"))


def texts() -> set[str]:
    return {
        one.value for tree in CODE for one in ast.walk(tree) if isinstance(one, ast.Constant) and type(one.value) is str
    }


def judged(installation: Installation = REMOTE, seen: tuple[Process, ...] = (), **changed: Any) -> dict[str, Level]:
    found = Findings(1)
    server = postgres.Server(SOUND | changed, ["leads", "sales"], 1)
    postgres.judge(server, installation, list(seen), found)
    return {one.check: one.level for one in found.all}


def test_a_sound_server_is_well() -> None:
    assert set(judged().values()) == {OK}


@pytest.mark.parametrize(
    ("changed", "check", "level"),
    [
        ({"fsync": "off"}, "settings", FAIL),
        ({"full_page_writes": "off"}, "settings", FAIL),
        ({"synchronous_commit": "off"}, "settings", FAIL),
        ({"synchronous_commit": "remote_apply"}, "settings", OK),
        ({"standby": True}, "settings", FAIL),
        ({"read_only": "on"}, "settings", FAIL),
        ({"synchronous_standby_names": ""}, "standby", WARN),
        ({"standbys": 0}, "standby", FAIL),
        ({"used": 156}, "connections", OK),
        ({"used": 160}, "connections", WARN),
        ({"used": 188}, "connections", FAIL),
        ({"most": 35}, "connections", OK),  # two pools of 16 and three that are reserved
        ({"most": 34, "used": 1}, "connections", WARN),
    ],
)
def test_settings_of_postgres_are_judged(changed: dict[str, Any], check: str, level: Level) -> None:
    assert judged(**changed)[check] is level


def test_a_local_suite_needs_no_standby(tmp_path: Path) -> None:
    assert judged(Installation(("leads", "sales"), data_dir=tmp_path), synchronous_standby_names="")["standby"] is OK


def test_pools_are_those_of_every_process_and_a_silent_service_has_one() -> None:
    told = "crm_pool_size 40\n"
    pods = [Process("leads 1", told), Process("leads 2", told), Process("gateway", "")]
    assert postgres.wanted(["leads", "sales"], pods) == 40 + 40 + postgres.POOL_SIZE
    assert judged(seen=tuple(pods), most=99)["connections"] is OK
    assert judged(seen=tuple(pods), most=98)["connections"] is WARN


@pytest.mark.parametrize(("seconds", "level"), [(0.1, OK), (1.9, OK), (2, WARN), (29, WARN), (30, FAIL), (3600, FAIL)])
@pytest.mark.parametrize("sign", [1, -1])
def test_a_clock_is_judged_by_what_tokens_bear(seconds: float, level: Level, sign: int) -> None:
    found = Findings(1)
    processes.skewed("leads", "clock", sign * seconds, found)
    assert found.worst is level


@given(st.floats(0, 1e9), st.floats(0, 60), st.floats(-100, 100))
def test_an_answer_that_took_its_time_is_no_wrong_clock(began: float, took: float, off: float) -> None:
    ended = began + took
    assert processes.ahead(began, began, ended) == processes.ahead(ended, began, ended) == 0
    seen = processes.ahead((began + ended) / 2 + off, began, ended)
    assert abs(seen) <= abs(off) + 1e-6
    assert seen == 0 or (seen > 0) == (off > 0)
    assert abs(seen) >= abs(off) - took / 2 - 1e-6


@pytest.mark.parametrize(("told", "level"), [(release.NUMBER, OK), ("0.0.9", WARN), ("", WARN)])
def test_two_releases_at_work_are_told(told: str, level: Level) -> None:
    found = Findings(1)
    line = f'crm_release_info{{release="{told}"}} 1\n' if told else ""
    processes._releases([Process("leads", line)], found)
    assert found.worst is level


def test_the_release_is_that_of_the_project() -> None:
    assert tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"] == release.NUMBER


def test_a_number_of_a_process_is_read_and_one_that_is_not_told_is_none() -> None:
    process = Process("leads", 'crm_nats_connected 0\ncrm_clock_seconds 1.5e9\ncrm_events_waiting{producer="a"} 3\n')
    names = ("crm_nats_connected", "crm_clock_seconds", "crm_pool_size", "crm_events_waiting")
    assert [process.number(name) for name in names] == [0.0, 1.5e9, None, None]


@given(st.dates(date(2025, 1, 1), date(2090, 1, 1)), st.integers(0, 60))
def test_months_ahead_are_counted_to_the_first_that_is_missing(now: date, count: int) -> None:
    first = now.year * 12 + now.month - 1
    names = [f"outbox_{one // 12}_{one % 12 + 1:02}" for one in range(first, first + 1 + count)]
    gap = f"outbox_{(first + count + 2) // 12}_{(first + count + 2) % 12 + 1:02}"
    assert (
        databases.months_ahead([*names, gap, "outbox_default"], datetime(now.year, now.month, now.day, tzinfo=UTC))
        == count
    )


@pytest.mark.parametrize(
    ("others", "expected"),
    [
        ([(True, False, 0), (True, False, 5)], (3, 0)),
        ([(True, False, 0), (False, True, 0)], (2, 1)),
        ([(True, False, 1_001), (True, True, 0)], (1, 2)),
    ],
)
def test_replicas_in_step_are_those_that_have_everything(
    others: list[tuple[bool, bool, int]], expected: tuple[int, int]
) -> None:
    peers = [PeerInfo("x", current, offline, 0, lag) for current, offline, lag in others]
    assert streams.in_step(ClusterInfo(leader="a", replicas=peers), 3) == expected
    assert streams.in_step(None, 1) == (1, 0)


async def test_a_look_that_hangs_and_one_that_breaks_hide_nothing() -> None:
    found, began = Findings(0.2), time.monotonic()

    async def hangs() -> None:
        found.ok("leads", "before", "seen before it hung")
        await asyncio.Event().wait()

    async def breaks() -> None:
        raise RuntimeError("so")

    async def sound() -> None:
        found.ok("sales", "all", "well")

    looks = [found.tried("leads", str(one), look(), "do", "#doctor") for one, look in enumerate((hangs, breaks, sound))]
    await asyncio.gather(*looks)
    assert time.monotonic() - began < 2
    assert [(one.check, one.level) for one in sorted(found.all, key=lambda one: one.check)] == [
        ("0", FAIL), ("1", FAIL), ("all", OK), ("before", OK),
    ]  # fmt: skip
    assert next(one for one in found.all if one.check == "1").detail == "so"


def test_the_worst_is_told_first_alike_is_told_once_and_nothing_steers_the_terminal() -> None:
    away = [
        Finding(one, "database", FAIL, "Away.", "Look.", "#postgres", detail="\x1b[2Jno") for one in ("leads", "sales")
    ]
    report = examination.Report(
        [*away, Finding("nats", "x", WARN, "Old.", "Renew."), Finding("nats", "y", OK, "")], [], 1
    )
    lines: list[str] = []
    examination.tell(report, lines.append)
    assert lines[0] == "FAIL  leads, sales, database: Away."
    assert "\\x1b[2Jno" in lines[1]
    assert lines[2].endswith("See docs/operating.md#postgres.")
    assert [line[:4] for line in lines[3:]] == ["WARN", "    ", "OK  ", "2 FA"]
    assert all("detail" not in one for one in examination.as_json(report, details=False)["findings"])


def test_every_page_that_a_finding_names_exists() -> None:
    runbooks = {one for one in texts() if re.fullmatch(r"Crm[A-Z]\w+", one)}
    anchors = {one for one in texts() if re.fullmatch(r"#[a-z-]+", one)}
    titles = re.findall(r"^#+ (.+)$", (ROOT / "docs/operating.md").read_text(), re.MULTILINE)
    headings = {"#" + re.sub(r"[^a-z0-9 -]", "", title.lower()).replace(" ", "-") for title in titles}
    assert len(runbooks) >= 8
    assert runbooks <= {path.stem for path in (ROOT / "docs/runbooks").glob("*.md")}
    assert len(anchors) >= 5
    assert anchors <= headings


@pytest.mark.parametrize("given", ["leads", "leads=", "leads=host", "nobody=host:1", "leads=host:port"])
def test_an_admin_port_that_cannot_be_meant_is_refused(given: str) -> None:
    with pytest.raises(Problem):
        admin_ports([given])


def test_addresses_are_those_of_the_settings() -> None:
    env = {
        "DATABASE_URL_LEADS": "a", "DATABASE_URL_LEADS_OWNER": "b", "DATABASE_URL_SALES": "c", "NATS_URL": "n",
        "ADMIN_SERVICE_DESK": "desk:8090", "UPSTREAM_LEADS": "leads:50051", "OIDC_JWKS_URL": "keys",
    }  # fmt: skip
    found = find("https://crm", None, ["gateway=[::1]:8090"], env)
    assert (dict(found.databases), found.nats_url, found.local) == ({"leads": "b", "sales": "c"}, "n", False)
    assert dict(found.admin) == {"gateway": "[::1]:8090", "service-desk": "desk:8090"}
    assert (dict(found.grpc), found.jwks_url, found.url) == ({"leads": "leads:50051"}, "keys", "https://crm")


async def test_what_was_not_given_is_a_warning_and_no_silence() -> None:
    report = await examination.examine(Installation(("directory",)), 1)
    assert {(one.part, one.check) for one in report.findings if one.level is WARN} == {
        ("gateway", "process"), ("directory", "process"), ("directory", "database"), ("nats", "server"),
        ("issuer", "keys"),
    }  # fmt: skip
    assert report.worst is WARN
