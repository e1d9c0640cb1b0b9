"""One suite for all that is tried out on a running one, with a secret in its settings and a person in its records."""

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from crmctl.doctor.examination import as_json, examine
from crmctl.doctor.installation import find
from crmctl.local import LocalStack
from whole_suite import Suite, start, until

MAIL_SECRET, COMPANY = "Pa55-Hvostik-4417", "Розова Долина 8264"
USER, LEAD, EMAIL, PHONE = "Бойка Желязкова", "陈晓明-Conceição", "xiaoming@rosa-8264.example", "+359888264417"


@dataclass
class Ward:
    """The suite as doctor's patient."""

    suite: Suite

    @property
    def stack(self) -> LocalStack:
        found = self.suite.client().stack
        assert found is not None
        return found

    def doctor(self, *admin: str, **env: str) -> tuple[int, dict[str, Any]]:
        """Exit code and findings, in this process: a new one takes longer to begin than to look."""
        installation = find("", self.suite.data_dir, admin, os.environ | env)
        report = asyncio.run(examine(installation, 2))
        return int(report.worst), json.loads(json.dumps(as_json(report)))

    def run(self, *arguments: str, **env: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "crmctl", "--data-dir", str(self.suite.data_dir), "ops", *arguments]
        return subprocess.run(command, capture_output=True, text=True, timeout=60, env=os.environ | env)

    def pid(self, name: str) -> int:
        return int(self.stack.addresses["pids"][name])

    def execute(self, service: str, *statements: str) -> None:
        """As the owner of its database."""

        async def run() -> None:
            connection = await asyncpg.connect(self.stack.database_url(service))
            try:
                for statement in statements:
                    await connection.execute(statement)
            finally:
                await connection.close()

        asyncio.run(run())


def of(report: dict[str, Any], part: str, check: str) -> dict[str, Any]:
    """The finding of that name."""
    found = [one for one in report["findings"] if (one["part"], one["check"]) == (part, check)]
    assert len(found) == 1, (part, check, found)
    return dict(found[0])


@pytest.fixture(scope="package")
def ward(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ward]:
    mail = f"smtp+starttls://mailer:{MAIL_SECRET}@mail.rosa-8264.example:587"
    settings = {"COMPANY_NAME": COMPANY, "OTEL_RESOURCE_ATTRIBUTES": f"owner={COMPANY}"}
    data: Path = tmp_path_factory.mktemp("ward") / "data"
    running = start(data, SAMPLE="0", SMTP_URL=mail, MAIL_FROM="crm@rosa-8264.example", **settings)
    client = running.client()
    client.post("/v1/users", {"displayName": USER, "email": "boyka@rosa-8264.example", "roles": ["salesperson"]})
    until(lambda: client.get("/v1/leads") is not None, "leads answers")
    client.post("/v1/leads", {"displayName": LEAD, "email": EMAIL, "phone": PHONE, "company": COMPANY})
    found = Ward(running)
    until(lambda: found.doctor()[0] == 0, "all is well")
    yield found
    assert running.stop() == 0
