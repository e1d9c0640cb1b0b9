"""What operators read leads somewhere."""

import re

import pytest
from rendered import CHART, ROOT

PAGES = [
    ROOT / "docs/operating.md",
    ROOT / "examples/kubernetes/README.md",
    *CHART.glob("*.md"),
    *(ROOT / "docs/runbooks").glob("*.md"),
]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_the_links_of_a_page_lead_to_what_is_there(page):
    for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text()):
        assert (page.parent / target).exists(), target


def test_whoever_operates_is_led_to_every_objective():
    """An objective without an alert is a wish."""
    part = (ROOT / "docs/operating.md").read_text().split("## Objectives")[1].split("##")[0]
    tables = [table.strip().split("\n") for table in re.findall(r"(?:^\|.*\|\n)+", part, re.MULTILINE)]
    assert [len(table) - 2 for table in tables] == [4, 2]
    assert all("runbooks/Crm" in row for table in tables for row in table[2:])


def test_the_guide_says_how_to_change_every_secret_that_the_chart_asks_for():
    secrets = (ROOT / "docs/operating.md").read_text().split("## Secrets")[1].split("\n## ")[0]
    for key in (
        "nats.existingSecret",
        "pageTokenKey",
        "privacyKey",
        "tls.existingSecret",
        "database",
        "issuer",
        "bucket",
    ):
        assert key in secrets, key
