"""Filters by company-defined fields mean what they say, and find leads by an index or not at all."""

import json
import operator

import pytest
from chassis.custom_values import moment_of
from custom_calls import definition, front, know
from harness import start
from hypothesis import given, settings
from hypothesis import strategies as st

SIGNS = {"=": operator.eq, "!=": operator.ne, "<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge}
KINDS = {
    "word": ("STRING", ["a", "B", "ж", "%", "'", "李", "\\"]),
    "number": ("NUMBER", [-2.5, 0, 1e-7, 1, 10, 999999999999999]),
    "whole": ("INTEGER", [-1, 0, 2, 10]),
    "day": ("DATE", ["0001-01-01", "1969-12-31", "2024-02-29", "9999-12-31"]),
    "moment": ("DATETIME", ["1969-12-31T23:59:59.999999Z", "2026-01-31T09:30:00Z", "2026-01-31T09:30:00.500Z"]),
    "choice": ("ENUM", ["gold", "сребро"]),
    "yes": ("BOOL", [True, False]),
}
FIELDS = [(f"{slug}{way}", slug, bool(way)) for slug in KINDS for way in ("", "_indexed")]


@pytest.fixture(scope="module")
async def own(backend, issuer):
    running = await start("leads", backend, issuer)
    for name, slug, indexed in FIELDS:
        kind, values = KINDS[slug]
        await know(running, definition(name, kind, indexed=indexed, options=values if kind == "ENUM" else []))
    await know(running, definition("tags", "MULTI_ENUM", options=["a", "b", "c"], indexed=True))
    await know(running, definition("marks", "MULTI_ENUM", options=["a", "b", "c"]))
    yield running
    await running.stop()


@pytest.fixture(scope="module")
async def http(own):
    async with front(leads=own) as client:
        yield client


@pytest.fixture(scope="module")
async def rows(http):
    """Leads that have each value once, both indexed and not, and one that has none."""
    for number in range(8):
        custom = {name: values[number] for name, slug, _ in FIELDS if number < len(values := KINDS[slug][1])}
        if tags := ["a", "b", "c"][number % 3 :] if number < 4 else []:
            custom |= {"tags": tags, "marks": tags}
        assert (await http.post("/v1/leads", json={"displayName": "x", "custom": custom})).status_code == 200
    return (await http.get("/v1/leads")).json()["leads"]


async def found(http, text):
    answer = await http.get("/v1/leads", params={"filter": text})
    assert answer.status_code == 200, answer.text
    return [lead["name"] for lead in answer.json()["leads"]]


async def reason(http, text):
    answer = await http.get("/v1/leads", params={"filter": text})
    assert answer.status_code == 400, answer.text
    return answer.json()["violations"][0]["reason"]


def holds(lead, name, kind, sign, value):
    has = lead.get("custom", {}).get(name)
    if has is None:
        return False
    if kind == "DATETIME":
        return SIGNS[sign](moment_of(has), moment_of(value))
    return SIGNS[sign](has.encode(), value.encode()) if isinstance(has, str) else SIGNS[sign](has, value)


def said(value):
    text = json.dumps(value) if not isinstance(value, str) else value
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


@given(st.sampled_from(FIELDS), st.sampled_from(list(SIGNS)), st.data())
@settings(max_examples=150, deadline=None)
async def test_a_condition_means_in_sql_what_it_means_in_python(http, rows, field, sign, data):
    name, slug, indexed = field
    kind, values = KINDS[slug]
    value = data.draw(st.sampled_from(values))
    text = f"custom.{name} {sign} {said(value)}" + ("" if indexed else " AND state = NEW")
    if kind in ("ENUM", "BOOL") and sign not in ("=", "!="):
        assert "ask with = !=" in await reason(http, text)
        return
    expected = [lead["name"] for lead in rows if holds(lead, name, kind, sign, value)]
    assert await found(http, text) == expected


@pytest.mark.parametrize("name", ["tags", "marks"])
async def test_a_list_is_asked_for_what_it_holds(http, rows, name):
    expected = [lead["name"] for lead in rows if "b" in lead.get("custom", {}).get(name, [])]
    assert len(expected) == 3
    assert await found(http, f"custom.{name}:b AND state = NEW") == expected
    assert "ask with :" in await reason(http, f"custom.{name} = b AND state = NEW")


async def test_conditions_are_met_together(http, rows):
    both = await found(http, "custom.tags:a AND custom.number_indexed < 0 AND custom.yes = true")
    assert both == [rows[-1]["name"]]
    assert await found(http, "custom.tags:a AND custom.number_indexed > 5") == []


async def test_an_offset_names_the_same_moment(http, rows):
    assert await found(http, 'custom.moment_indexed = "2026-01-31T11:30:00+02:00"') == [rows[-2]["name"]]


async def test_a_value_that_changes_is_found_by_its_new_self_only(http):
    made = (await http.post("/v1/leads", json={"displayName": "x", "custom": {"word_indexed": "old"}})).json()
    await http.patch(f"/v1/{made['name']}", json={"custom": {"word_indexed": "new"}})
    assert await found(http, "custom.word_indexed = old") == []
    assert await found(http, "custom.word_indexed = new") == [made["name"]]
    await http.patch(f"/v1/{made['name']}", json={"custom": {"word_indexed": None}})
    assert await found(http, "custom.word_indexed = new") == []


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("custom.word = a", "not indexed"),
        ("custom.word = a AND custom.day = 2024-02-29", "not indexed"),
        ("custom.word = a AND state != NEW", "not indexed"),
        ("custom.none = a", "no such field"),
        ("custom = a", "cannot filter by"),
        ("custom. = a", "no such field"),
        ("custom.number_indexed = many", "not a value"),
        ("custom.number_indexed = NaN", "not a value"),
        ("custom.number_indexed = 1e999", "not a value"),
        ("custom.day_indexed = 2024-02-30", "not a value"),
        ("custom.moment_indexed = 2024-02-03", "not a value"),
        ("custom.choice_indexed = tin", "is one of gold"),
        ("custom.yes_indexed = 1", "true or false"),
        ("custom.yes_indexed:true", "ask with"),
    ],
)
async def test_a_filter_that_cannot_be_met_says_why(http, text, why):
    assert why in await reason(http, text)


@pytest.mark.parametrize("name", ["word_indexed", "word"])
@pytest.mark.parametrize("value", ["' OR '1'='1", "'; DROP TABLE custom_value; --", "$1", "\\x", '"', "{}"])
async def test_sql_in_a_value_is_only_a_value(http, rows, name, value):
    assert await found(http, f"custom.{name} = {said(value)} AND state = NEW") == []
