"""A company's own fields in scores: rules ask of them as their types are, models learn from them."""

import random
from datetime import UTC, datetime, timedelta

import pytest
from chassis.custom_values import Definition, Option, Type
from chassis.errors import InvalidFields
from crm.directory.v1 import events_pb2
from crm.leads.v1 import scores_pb2, scoring_models_pb2
from custom_calls import definition, know
from google.protobuf.json_format import ParseDict
from harness import PEOPLE, start, until
from hypothesis import given
from hypothesis import strategies as st
from lead_calls import create
from leads.domain.lead import Lead
from leads.domain.lead_facts import facts, first_facts
from leads.domain.score_settings import ScoreSettings
from leads.domain.state import State
from leads.scoring.rules import Comparison, Condition, Rule

from chassis import statements

FIELDS = {
    "budget": definition("budget", "NUMBER"),
    "segment": definition("segment", "ENUM", options=["злато", "tin"]),
    "tags": definition("tags", "MULTI_ENUM", options=["a", "b"]),
    "ends": definition("ends", "DATE"),
    "seen": definition("seen", "DATETIME"),
    "legal": definition("legal", "BOOL"),
    "need": definition("need", "STRING"),
    "nick": definition("nick", "STRING", personal=True),
}
OWN = {
    slug: Definition(
        slug=slug,
        type=Type(field.type),
        options=[Option(value=one.value) for one in field.options],
        personal=field.personal,
    )
    for slug, field in FIELDS.items()
}


def holds(values, field, test, value=""):
    lead = Lead(display_name="李", custom=values)
    return Condition(field=f"custom.{field}", test=test, value=value).holds(facts(lead, UTC))


@given(st.integers(-1000, 1000), st.integers(-1000, 1000), st.sampled_from(["", ".0"]))
def test_numbers_are_compared_as_numbers(here, asked, spelled):
    values, said = {"budget": here}, f"{asked}{spelled}"
    assert holds(values, "budget", Comparison.AT_LEAST, said) == (here >= asked)
    assert holds(values, "budget", Comparison.AT_MOST, said) == (here <= asked)
    assert holds(values, "budget", Comparison.EQUALS, said) == (here == asked)
    assert holds(values, "budget", Comparison.NOT_EQUALS, said) == (here != asked)


@given(st.dates(), st.dates())
def test_days_are_compared_as_days(here, asked):
    values, said = {"ends": here.isoformat()}, asked.isoformat()
    assert holds(values, "ends", Comparison.AT_LEAST, said) == (here >= asked)
    assert holds(values, "ends", Comparison.AT_MOST, said) == (here <= asked)
    assert holds(values, "ends", Comparison.EQUALS, said) == (here == asked)


@given(st.lists(st.sampled_from("abc"), unique=True, max_size=3), st.sampled_from("abc"))
def test_of_several_values_one_is_enough(tags, asked):
    values = {"tags": tags} if tags else {}
    assert holds(values, "tags", Comparison.EQUALS, asked) == (asked in tags)
    assert holds(values, "tags", Comparison.NOT_EQUALS, asked) == (asked not in tags)
    assert holds(values, "tags", Comparison.FILLED) == bool(tags)
    assert holds(values, "tags", Comparison.BLANK) == (not tags)


def test_a_moment_is_the_same_in_every_zone_and_truth_has_two_spellings():
    seen = {"seen": "2026-01-31T09:30:00Z"}
    assert holds(seen, "seen", Comparison.EQUALS, "2026-01-31T11:30:00+02:00")
    assert holds(seen, "seen", Comparison.AT_LEAST, "2026-01-31T11:30:00+02:00")
    assert not holds(seen, "seen", Comparison.AT_LEAST, "2026-01-31T09:30:01Z")
    assert not holds(seen, "seen", Comparison.AT_LEAST, "5")
    for said, truth in (("true", True), ("yes", True), ("False", False), ("no", False)):
        assert holds({"legal": truth}, "legal", Comparison.EQUALS, said)
        assert not holds({"legal": not truth}, "legal", Comparison.EQUALS, said)


def settings_with(field, test, value=""):
    condition = Condition(field=f"custom.{field}", test=Comparison[test], value=value)
    return ScoreSettings(rules=[Rule(rule="x", points=1, conditions=[condition])])


@pytest.mark.parametrize(
    ("field", "test", "value"),
    [
        ("budget", "AT_LEAST", "1000.5"),
        ("segment", "EQUALS", "Злато"),
        ("segment", "CONTAINS", "зла"),
        ("tags", "NOT_EQUALS", "b"),
        ("ends", "AT_MOST", "2026-12-31"),
        ("seen", "AT_LEAST", "2026-12-31T00:00:00Z"),
        ("legal", "EQUALS", "true"),
        ("need", "CONTAINS", "пещ"),
        ("need", "FILLED", ""),
    ],
)
def test_a_condition_that_fits_the_type_of_the_field_is_taken(field, test, value):
    settings_with(field, test, value).check(OWN)


@pytest.mark.parametrize(
    ("field", "test", "value", "where"),
    [
        ("nothing", "FILLED", "", "field"),
        ("budget", "EQUALS", "much", "value"),
        ("budget", "AT_LEAST", "2026-01-01", "value"),
        ("budget", "CONTAINS", "1", "test"),
        ("segment", "EQUALS", "silver", "value"),
        ("segment", "AT_LEAST", "1", "test"),
        ("tags", "EQUALS", "", "value"),
        ("ends", "AT_MOST", "2026-02-30", "value"),
        ("ends", "AT_MOST", "5", "value"),
        ("legal", "EQUALS", "maybe", "value"),
        ("need", "AT_LEAST", "1", "test"),
        ("need", "CONTAINS", " ", "value"),
    ],
)
def test_a_condition_that_does_not_fit_the_type_of_the_field_is_refused(field, test, value, where):
    with pytest.raises(InvalidFields) as refused:
        settings_with(field, test, value).check(OWN)
    assert [path for path, _ in refused.value.violations] == [f"score_settings.rules[0].conditions[0].{where}"]


def test_what_a_model_may_learn_has_each_of_several_values_as_a_field_of_its_own():
    lead = Lead(display_name="李", custom={"tags": ["a", "b"], "budget": 5, "nick": "Лили"})
    found = {name: value for name, value in first_facts(lead, UTC, {"nick"}).items() if name.startswith("custom.")}
    assert found == {"custom.tags.a": True, "custom.tags.b": True, "custom.budget": 5}


@pytest.fixture(scope="module")
async def desk(backend, issuer):
    running = await start("leads", backend, issuer, PEOPLE)
    await know(running, *FIELDS.values())
    yield running
    await running.stop()


async def call(desk, method, **fields):
    request = ParseDict(fields, getattr(scores_pb2, f"{method}Request")())
    return await desk.call(f"ScoreService/{method}", request, by="users/root")


def rule(name, points, field, test, value=""):
    return {"rule": name, "points": points, "conditions": [{"field": field, "test": test, "value": value}]}


async def points(desk, lead, wanted):
    async def there():
        rows = await desk.rows("SELECT points FROM lead_scores WHERE lead = $1", lead.name)
        return [row["points"] for row in rows] == [wanted]

    await until(there, f"{lead.name} has {wanted} points")


async def told(desk, event, field, **more):
    """The event of a field as directory tells it."""
    await know(desk, field, **more)
    version = (await desk.rows("SELECT max(version) AS version FROM inbox_latest WHERE subject = $1", field.name))[0]
    await desk.react(event(custom_field=field), version=version["version"] + 1)


async def test_a_rule_about_a_field_that_is_archived_is_inactive_until_the_field_is_restored(desk):
    rich = rule("rich", 40, "custom.budget", "AT_LEAST", "1000")
    gold = rule("gold", 20, "custom.segment", "EQUALS", "злато")
    settings = {"rules": [rich, gold]}
    first = await call(desk, "UpdateScoreSettings", scoreSettings=settings, updateMask="rules")
    assert [one.inactive for one in first.rules] == ["", ""]
    lead = await create(desk, custom={"budget": 1500, "segment": "злато"})
    await points(desk, lead, 60)
    archived = definition("budget", "NUMBER")
    await told(desk, events_pb2.CustomFieldArchived, archived, archived=True)
    await points(desk, lead, 20)
    shown = await call(desk, "GetScoreSettings")
    assert [one.inactive for one in shown.rules] == ["custom.budget is archived", ""]
    assert shown.etag == first.etag
    assert (await call(desk, "CheckScoreSettings", scoreSettings=settings)).rules == {"gold": 1}
    kept = await call(desk, "UpdateScoreSettings", scoreSettings={"rules": [rich]}, updateMask="rules")
    assert [one.inactive for one in kept.rules] == ["custom.budget is archived"]
    await told(desk, events_pb2.CustomFieldRestored, definition("budget", "NUMBER"))
    await points(desk, lead, 40)
    assert [one.inactive for one in (await call(desk, "GetScoreSettings")).rules] == [""]


async def test_a_rule_about_a_field_that_there_is_not_is_refused(desk):
    for field in ("custom.nothing", "custom.", "custom.Budget"):
        with pytest.raises(InvalidFields):
            await call(desk, "UpdateScoreSettings", scoreSettings={"rules": [rule("x", 1, field, "FILLED")]})


def closed(number):
    """Leads of which the budget and one tag count; the field `seen` is filled in when they are won."""
    draw, came = random.Random(3), datetime(2026, 1, 1, 9, tzinfo=UTC)
    for place in range(number):
        budget, tags = draw.randrange(100), [one for one in "ab" if draw.random() < 0.5]
        won = draw.random() < 0.1 + budget / 200 + 0.35 * ("a" in tags)
        custom = {"budget": budget, "tags": tags, "nick": f"Мария {place % 9}", "need": "пещ"}
        custom |= {"seen": "2026-03-01T09:00:00Z"} if won else {}
        at = came + timedelta(hours=9 * place)
        yield Lead(
            display_name=f"Lead {place}", custom=custom, contact_time=at, close_time=at + timedelta(days=3),
            state=State.CONVERTED if won else State.DISQUALIFIED, version=1, create_time=at, update_time=at,
        )  # fmt: skip


async def test_a_model_learns_from_own_fields_and_tells_which_it_did_not_read(desk):
    mapper = desk.process.context.mappers[Lead]
    async with desk.process.context.database.transaction() as connection:
        rows = [mapper.dump(lead) for lead in closed(300)]
        await connection.executemany(statements.insert_record(mapper), rows)

    async def trained(**fields):
        asked = {"scoringModel": {"displayName": "Есен"} | fields}
        request = ParseDict(asked, scoring_models_pb2.CreateScoringModelRequest())
        made = await desk.call("ScoringModelService/CreateScoringModel", request, by="users/root")

        async def ended():
            asked = scoring_models_pb2.GetScoringModelRequest(name=made.name)
            found = await desk.call("ScoringModelService/GetScoringModel", asked, by="users/root")
            return found if found.state != found.TRAINING else None

        return await until(ended, "the training has ended", 120)

    model = await trained()
    assert {"custom.budget", "custom.tags.a", "custom.tags.b"} <= set(model.fields)
    notes = {note.field: note for note in model.notes}
    assert "is personal" in notes["custom.nick"].why
    assert "after the outcome" in notes["custom.seen"].why
    assert notes["custom.nick"].left_out
    assert notes["custom.seen"].left_out
    assert not {"custom.nick", "custom.seen"} & set(model.fields)
    assert model.metrics.auc > 0.6
    less = await trained(leaveOut=["custom.tags"])
    assert "custom.budget" in less.fields
    assert not {"custom.tags.a", "custom.tags.b"} & set(less.fields)
    assert [note.why for note in less.notes if note.field == "custom.tags"] == ["as was asked"]
