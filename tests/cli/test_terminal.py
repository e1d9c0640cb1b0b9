"""What crmctl prints of others' texts neither steers the terminal nor is read as markup."""

import unicodedata

import pytest
from crmctl.journey import tell
from crmctl.terminal import one_line, plain, shown
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

STEERING = {"Cc", "Cf", "Cs", "Zl", "Zp"}
HOSTILE = [
    "\x1b[2J",
    "\x1b]0;title\x07",
    "\x9b31m",
    "a\r\nb",
    "\u202egnp.exe",
    "\x08\x08\x08",
    "\u2028",
    "\0",
    "\ud800",
]


@given(st.text())
def test_no_text_keeps_what_steers_a_terminal(text):
    shown = plain(text)
    assert not [one for one in shown if unicodedata.category(one) in STEERING and one not in "\n\t\u200c\u200d"]
    shown.encode()
    assert plain(shown) == shown


@given(st.text())
def test_one_line_is_one_line(text):
    assert len(one_line(text).splitlines()) <= 1


@given(st.text(st.characters(exclude_categories=STEERING)))
def test_ordinary_text_of_any_script_is_shown_as_it_is(text):
    assert plain(text) == text
    assert shown(text).plain == text


@pytest.mark.parametrize(
    "hostile", [*HOSTILE, "[/]", "[bold", "[link=http://evil.example]click[/link]", "\\[/]", "a\\"]
)
def test_a_customer_of_any_name_has_a_story(hostile):
    """`[/]` was an error of the markup, and an escape reached the terminal."""

    class Names:
        def of(self, actor):
            return f"{hostile} {actor}"

    customer = {
        "displayName": f"Shop {hostile}", "account": "accounts/x", "channel": "", "owner": "users/ana",
        "customerTime": "", "activeContracts": 0, "orders": 0, "revenue": "", "currency": "",
        "openCases": 0, "cases": 0,
    }  # fmt: skip
    entry = {
        "eventTime": "2026-01-01T00:00:00Z", "service": "leads", "summary": f"Said {hostile}", "actor": "users/ana",
        "traceId": "a" * 32,
    }  # fmt: skip
    console = Console(record=True, width=200, highlight=False, force_terminal=False, file=open("/dev/null", "w"))  # noqa: SIM115
    tell({"customer": customer, "journeys": [], "timeline": [entry]}, Names(), console)
    told = console.export_text(clear=False)
    assert not [one for one in told if unicodedata.category(one) in STEERING and one != "\n"]
    assert f"Shop {one_line(hostile)}  accounts/x" in told
    assert f"Said {one_line(hostile)} " in told
    assert "evil.example\x1b" not in console.export_text(styles=True)
