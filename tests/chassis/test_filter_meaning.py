"""Filters mean in SQL what they say: compared with a few lines of Python over the same rows."""

import json
import operator
from datetime import datetime

import pytest
from chassis.errors import InvalidFields
from crm.leads.v1 import leads_pb2
from hypothesis import given, settings
from hypothesis import strategies as st
from lead_calls import a_channel, listed

OPERATORS = {
    "=": operator.eq, "!=": operator.ne, "<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge,
}  # fmt: skip
# Texts in which a wrong quoting, a wildcard of LIKE, a collation or a normal form would show.
EMAILS = ["a@x.eu", "B@x.eu", "%@x.eu", "_@x.eu", "'@x.eu", '"@x.eu', "\\@x.eu", "ä@x.eu", "ж@x.bg", "李@x.cn", ""]
OWNERS = ["users/ana", "users/boris", "users/chen", ""]
HOSTILE = [
    "' OR '1'='1", "'; DROP TABLE leads; --", "\\'; SELECT pg_sleep(9); --", "$1", "$$", "%", "_", "a%", "\\", "\\%",
    '"', "''", "/*", "*/", "--", "\x1b[2J", "\u202e", "users/ana' --", "') OR true OR ('", "E'\\x00'",
    "1) UNION SELECT",
    "{{7*7}}", "${jndi:ldap://x}", "\r\nSet-Cookie: a=b",
]  # fmt: skip


def quoted(value: str) -> str:
    escaped = value.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


@pytest.fixture(scope="module")
async def rows(leads) -> list[leads_pb2.Lead]:
    """Leads of a channel of their own, of every email and owner."""
    channel = a_channel()
    pairs = [(email, OWNERS[number % len(OWNERS)]) for number, email in enumerate(EMAILS)]
    pairs += [("", owner) for owner in OWNERS]
    made = [leads_pb2.Lead(display_name="x", email=email, owner=owner, channel=channel) for email, owner in pairs]
    await leads.call("LeadService/ImportLeads", leads_pb2.ImportLeadsRequest(leads=made))
    found = list((await listed(leads, page_size=1000, filter=f'channel = "{channel}"')).leads)
    assert len(found) == len(pairs)
    return found


def holds(lead: leads_pb2.Lead, field: str, sign: str, value: str) -> bool:
    """The condition in Python; texts are compared by code points, as collation C does."""
    if field == "state":
        return OPERATORS[sign](leads_pb2.Lead.State.Name(lead.state), value)
    if field == "create_time":
        return OPERATORS[sign](lead.create_time.ToDatetime().timestamp(), datetime.fromisoformat(value).timestamp())
    return OPERATORS[sign](getattr(lead, field).encode(), value.encode())


SAID = st.one_of(
    st.tuples(st.sampled_from(["email", "owner"]), st.sampled_from(list(OPERATORS)), st.sampled_from(EMAILS + OWNERS)),
    st.tuples(st.sampled_from(["email", "owner"]), st.sampled_from(list(OPERATORS)), st.sampled_from(HOSTILE)),
    st.tuples(st.just("state"), st.sampled_from(["=", "!="]), st.sampled_from(["NEW", "ASSIGNED", "QUALIFIED"])),
)


async def asked(leads, rows, *conditions: tuple[str, str, str]) -> set[str]:
    parts = [("channel", "=", rows[0].channel), *conditions]
    text = " AND ".join(f"{field} {sign} {quoted(value)}" for field, sign, value in parts)
    return {lead.name for lead in (await listed(leads, page_size=1000, filter=text)).leads}


@given(st.lists(SAID, min_size=1, max_size=4))
@settings(max_examples=120, deadline=None)
async def test_a_filter_means_in_sql_what_it_means_in_python(leads, rows, conditions):
    expected = {lead.name for lead in rows if all(holds(lead, *one) for one in conditions)}
    assert await asked(leads, rows, *conditions) == expected


@given(st.lists(SAID, max_size=3), SAID)
@settings(max_examples=40, deadline=None)
async def test_one_more_condition_never_finds_more(leads, rows, conditions, one_more):
    assert await asked(leads, rows, *conditions, one_more) <= await asked(leads, rows, *conditions)


def check_about(refused: InvalidFields, field: str) -> None:
    assert [name for name, _ in refused.violations] == [field]


@pytest.mark.parametrize("value", HOSTILE)
@pytest.mark.parametrize("field", ["owner", "email", "channel", "external_ids", "state", "create_time", "journey_id"])
async def test_sql_in_a_value_is_a_value(leads, rows, field, value):
    """Nothing is found, or the value is refused; nothing is executed, and the rows are all there afterwards."""
    sign, said = (":", f"sap/customer/{value}") if field == "external_ids" else ("=", value)
    try:
        assert (await listed(leads, filter=f"{field} {sign} {quoted(said)}")).leads == []
    except InvalidFields as refused:
        check_about(refused, "filter")
    assert len(await asked(leads, rows)) == len(rows)


@pytest.mark.parametrize("hostile", HOSTILE)
async def test_sql_in_place_of_a_field_or_an_operator_is_refused(leads, hostile):
    for text in (f"{hostile} = 1", f"owner {hostile} x", f"owner = x AND {hostile}", f'"{hostile}" = x'):
        with pytest.raises(InvalidFields):
            await listed(leads, filter=text)


@pytest.mark.parametrize("hostile", [*HOSTILE, "", "leads", json.dumps({"a": 1})])
async def test_sql_in_a_page_token_or_a_name_reaches_no_statement(leads, rows, hostile):
    if hostile:
        with pytest.raises(InvalidFields):
            await listed(leads, page_token=hostile)
    from chassis.errors import CrmError

    with pytest.raises(CrmError) as refused:
        await leads.call("LeadService/GetLead", leads_pb2.GetLeadRequest(name=f"leads/{hostile}"))
    assert refused.value.code in ("INVALID_ARGUMENT", "NOT_FOUND")


@pytest.mark.parametrize(
    "text", ["a" * 2000, "(" * 2000, '"' * 2000, "= " * 1000, "a:" * 1000, "\\" * 2000, '"\\' * 1000]
)
def test_no_filter_takes_long_to_be_refused(text):
    """Whatever is repeated: the reading is linear, so there is no text that keeps a process busy."""
    import time

    from chassis.filtering import parse

    began = time.process_time()
    with pytest.raises(InvalidFields):
        parse(text)
    assert time.process_time() - began < 0.2
