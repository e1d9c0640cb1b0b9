"""Short ways to say what the tests of sales say often."""

from typing import Any

import pytest
from crm.sales.v1 import sales_pb2
from harness import Running

ROOT = "users/root"


class Sales:
    """The service, called as a salesperson would speak of it. `by` is who calls."""

    def __init__(self, running: Running) -> None:
        self.running = running

    async def call(self, method: str, by: str = ROOT, **fields: Any) -> Any:
        request = getattr(sales_pb2, f"{method}Request")(**fields)
        return await self.running.call(f"SalesService/{method}", request, by=by)

    async def account(self, by: str = ROOT, **fields: Any) -> sales_pb2.Account:
        return await self.call("CreateAccount", by, account={"display_name": "Harbour Bakery"} | fields)

    async def contact(self, account: str, by: str = ROOT, **fields: Any) -> sales_pb2.Contact:
        given = {"display_name": "Ida Lund", "account": account} | fields
        return await self.call("CreateContact", by, contact=given)

    async def deal(self, account: str = "", by: str = ROOT, **fields: Any) -> sales_pb2.Opportunity:
        given = {"display_name": "Ovens", "account": account or (await self.account()).name} | fields
        return await self.call("CreateOpportunity", by, opportunity=given)

    async def pipeline(self, *stages: str, **fields: Any) -> sales_pb2.Pipeline:
        given = [{"stage": stage, "probability": 0.1 * number} for number, stage in enumerate(stages, 1)]
        return await self.call("CreatePipeline", pipeline={"stages": given, "display_name": "P"} | fields)

    async def activity(self, subject: str, by: str = ROOT, **fields: Any) -> sales_pb2.Activity:
        given = {
            "display_name": "Show the oven",
            "subject": subject,
            "due_time": {"seconds": 1_900_000_000},
            "expected_outcome": "They ask for a quote",
        }
        return await self.call("CreateActivity", by, activity=given | fields)

    async def events(self, subject: str) -> list[str]:
        return await self.running.events(subject)


@pytest.fixture
def service(sales: Running) -> Sales:
    return Sales(sales)
