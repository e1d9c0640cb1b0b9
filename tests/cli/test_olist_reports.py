"""When an import may say that the reports show it."""

from decimal import Decimal
from typing import Any

import pytest
from crmctl.olist import reports
from crmctl.olist.reports import Brought, caught_up

TOLD: dict[str, Any] = {
    "channel": "organic_search", "leads": 2, "customers": 1, "revenue": "10.25", "currency": "BRL", "otherRevenue": [],
}  # fmt: skip


@pytest.mark.parametrize(
    ("brought", "told"),
    [
        (Brought(), True),
        (Brought(leads=2, customers=1, revenue=Decimal("10.25")), True),
        (Brought(revenue=Decimal("10.2501")), True),
        (Brought(leads=3), False),
        (Brought(customers=2), False),
        (Brought(revenue=Decimal("10.26")), False),
    ],
)
def test_a_report_tells_what_was_brought_or_more(brought, told):
    assert brought.told_by(TOLD) is told


@pytest.mark.parametrize(("amount", "told"), [("10.25", True), ("10.24", False)])
def test_revenue_is_found_beside_that_in_another_currency(amount, told):
    figures = TOLD | {"revenue": "99.00", "currency": "EUR", "otherRevenue": [{"amount": amount, "currency": "BRL"}]}
    assert Brought(revenue=Decimal("10.25")).told_by(figures) is told


class Reports:
    """A suite whose reports were written before; the last stays."""

    def __init__(self, *rows: dict[str, Any]) -> None:
        self.rows = list(rows)
        self.read = 0

    async def get(self, path: str) -> dict[str, Any]:
        assert path == "/v1/reports/channels"
        row = self.rows[min(self.read, len(self.rows) - 1)]
        self.read += 1
        return {"channels": [TOLD | row], "freshness": {"sales": {"position": row["position"]}}}


@pytest.mark.parametrize(
    ("rows", "read"),
    [
        ([{"position": "7"}], 2),  # at rest, and all is there
        ([{"position": "7"}, {"position": "8"}], 3),  # all is there, and more comes
        ([{"position": "7", "revenue": "3.00"}] * 4 + [{"position": "9"}], 6),  # at rest for a while, and not all there
    ],
)
async def test_a_run_waits_until_all_is_told_and_nothing_comes_any_more(monkeypatch, rows, read):
    monkeypatch.setattr(reports, "_PAUSE_SECONDS", 0)
    suite = Reports(*rows)
    assert await caught_up(suite, {"organic_search": Brought(2, 1, Decimal("10.25"))})
    assert suite.read == read


@pytest.mark.parametrize("brought", [{"organic_search": Brought(revenue=Decimal(11))}, {"email": Brought()}])
async def test_a_run_does_not_wait_for_ever(monkeypatch, brought):
    monkeypatch.setattr(reports, "_PAUSE_SECONDS", 0)
    assert not await caught_up(Reports({"position": "7"}), brought)
