"""Models over gRPC: trained in a process of their own on closed leads that lie in a real database."""

import asyncio
import math
import random
import subprocess
import sys
from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest
from chassis.errors import FailedPrecondition, InvalidFields, PermissionDenied, ResourceExhausted
from chassis.persons import GONE
from crm.leads.v1 import scores_pb2, scoring_models_pb2
from google.protobuf.json_format import ParseDict
from harness import PEOPLE, start, until
from lead_calls import create, read, update
from leads import score_tables
from leads.domain.lead import Lead
from leads.domain.state import State

from chassis import statements

States = scoring_models_pb2.ScoringModel.State
CHANCES = {"channels/expo": 0.8, "channels/web": 0.3, "channels/friend": 0.55, "channels/site": 0.1}
BEGUN = datetime(2026, 1, 1, 9, tzinfo=UTC)
TRAINING_SECONDS = 120


def closed_leads(number: int) -> list[Lead]:
    """What counts: the channel, and whether there is a company. The label `signed` is written down afterwards."""
    draw = random.Random(7)
    found = []
    for place in range(number):
        channel, company = draw.choice([*CHANCES]), draw.choice(["Роза ООД", ""])
        won = draw.random() < CHANCES[channel] * (1.2 if company else 0.7)
        came = BEGUN + timedelta(hours=6 * place)
        labels = {"segment": draw.choice(["café", "хлебарница", "饭店"])} | ({"signed": "yes"} if won else {})
        found.append(
            Lead(
                display_name=f"Lead {place}", channel=channel, company=company, email=f"{place}@example.org",
                team=draw.choice(["teams/north", "teams/south"]), labels=labels, contact_time=came,
                state=State.CONVERTED if won else State.DISQUALIFIED, close_time=came + timedelta(days=3),
                call_count=9 if won else 0, version=1, create_time=came, update_time=came, work_time=came,
            )
        )  # fmt: skip
    return found


async def put(service, leads: list[Lead]) -> None:
    mapper = service.process.context.mappers[Lead]
    async with service.process.context.database.transaction() as connection:
        await connection.executemany(statements.insert_record(mapper), [mapper.dump(lead) for lead in leads])


async def call(desk, method, by="users/root", **fields):
    request = ParseDict(fields, getattr(scoring_models_pb2, f"{method}Request")())
    return await desk.call(f"ScoringModelService/{method}", request, by=by)


async def about(desk, method, lead, by="users/root", **fields):
    request = ParseDict(fields, getattr(scores_pb2, f"{method}Request")())
    return await desk.call(f"ScoreService/{method}", request, by=by)


async def score(desk, lead):
    return await about(desk, "GetLeadScore", lead, name=lead.name.replace("leads/", "leadScores/"))


async def scored_by(desk, lead, model, *, challenger=""):
    async def there():
        rows = await desk.rows(
            "SELECT scoring_model, challenger FROM lead_scores WHERE id = $1::uuid", lead.name.split("/")[1]
        )
        return [tuple(row) for row in rows] == [(model, challenger)]

    await until(there, f"{lead.name} is scored by {model or 'points'}")
    return await score(desk, lead)


async def trained(desk, **fields):
    made = await call(desk, "CreateScoringModel", scoringModel={"displayName": "Есен"} | fields)
    assert made.state == States.TRAINING

    async def ended():
        found = await call(desk, "GetScoringModel", name=made.name)
        return found if found.state != States.TRAINING else None

    return await until(ended, "the training has ended", TRAINING_SECONDS)


@pytest.fixture(scope="module")
async def desk(backend, issuer):
    service = await start("leads", backend, issuer, PEOPLE)
    await put(service, closed_leads(400))
    yield service
    await service.stop()


@pytest.fixture(scope="module")
async def models(desk):
    """Two that are trained alike."""
    return [(await trained(desk)).name, (await trained(desk, leaveOut=["labels.segment", "chanel"])).name]


async def shown(desk, name):
    return await call(desk, "GetScoringModel", name=name)


async def promoted(desk, name):
    return await call(desk, "PromoteScoringModel", name=name)


async def test_a_trained_model_says_how_good_it_is_and_what_it_did_not_read(desk, models):
    model = await shown(desk, models[0])
    assert (model.state, model.progress, model.failure) == (States.CANDIDATE, 1.0, "")
    assert {"channel", "has_company", "labels.segment"} <= set(model.fields)
    assert not {"call_count", "company", "email_domain", "state", "account", "labels.signed"} & set(model.fields)
    (leak,) = [note for note in model.notes if note.field == "labels.signed"]
    assert leak.left_out
    assert "after the outcome" in leak.why
    assert (model.metrics.leads, sum(one.leads for one in model.metrics.bins)) == (400, 400)
    assert model.metrics.auc > 0.65
    assert 60 <= model.backtest.leads <= 100  # the last fifth
    assert model.backtest_time.ToDatetime(UTC) > BEGUN + timedelta(days=70)
    assert await desk.events(model.name) == ["ScoringModelCreated", "ScoringModelTrained"]
    listed = await call(desk, "ListScoringModels")
    assert {one.name for one in listed.scoring_models} >= set(models)
    other = await shown(desk, models[1])
    assert "labels.segment" not in other.fields
    assert {"labels.segment": "as was asked", "chanel": "is no field of any closed lead"}.items() <= {
        note.field: note.why for note in other.notes
    }.items()


async def test_a_champion_scores_each_lead_by_its_probability_and_says_why(desk, models):
    await promoted(desk, models[0])
    good = await create(desk, channel="channels/expo", company="Роза")
    poor = await create(desk, channel="channels/site")
    first, second = await scored_by(desk, good, models[0]), await scored_by(desk, poor, models[0])
    assert 0 < second.probability < first.probability < 1
    assert [one.score for one in (first, second)] == [round(100 * one.probability, 2) for one in (first, second)]
    why = await about(desk, "ExplainScore", good, name=good.name)
    assert why.probability == first.probability
    told = why.base + sum(reason.contribution for reason in why.reasons)
    assert math.isclose(told, math.log(why.probability / (1 - why.probability)), rel_tol=1e-9)
    assert why.reasons[0].field == "channel"
    assert (await read(desk, good.name)).etag == good.etag
    await update(desk, poor.name, channel="channels/expo", company="Роза")

    async def better():
        return (await score(desk, poor)).probability == first.probability

    await until(better, "the other lead has become as good")


async def test_a_challenger_scores_in_the_shadow_and_decides_nothing(desk, models):
    await promoted(desk, models[0])
    lead = await create(desk, channel="channels/web")
    before = await scored_by(desk, lead, models[0])
    assert (await call(desk, "ShadowScoringModel", name=models[1])).state == States.CHALLENGER
    after = await scored_by(desk, lead, models[0], challenger=models[1])
    assert (after.score, after.probability) == (before.score, before.probability)
    assert 0 < after.challenger_probability < 1
    with pytest.raises(FailedPrecondition):
        await call(desk, "ShadowScoringModel", name=models[0])
    assert (await promoted(desk, models[1])).state == States.CHAMPION
    assert (await shown(desk, models[0])).state == States.CANDIDATE
    assert (await scored_by(desk, lead, models[1])).probability == after.challenger_probability
    assert (await promoted(desk, models[0])).state == States.CHAMPION  # and back
    assert (await promoted(desk, models[0])).state == States.CHAMPION
    assert (await shown(desk, models[1])).state == States.CANDIDATE
    assert (await desk.events(models[1]))[-1] == "ScoringModelReplaced"


async def test_of_two_promoted_at_once_one_is_the_champion(desk, models):
    await asyncio.gather(*(promoted(desk, name) for name in models))
    states = Counter([(await shown(desk, name)).state for name in models])
    assert states == {States.CHAMPION: 1, States.CANDIDATE: 1}


async def test_drift_tells_which_fields_moved_and_whether_what_was_said_came_true(desk, models):
    await promoted(desk, models[0])
    still = await call(desk, "GetScoringDrift", name=models[0])
    assert {one.field: one.verdict for one in still.fields}["channel"] == "stable"
    lead = await create(desk, channel="channels/expo", company="Роза")
    said = (await scored_by(desk, lead, models[0])).probability
    await desk.rows(
        "UPDATE leads SET state = 'CONVERTED', close_time = '2026-11-20T12:00Z' WHERE id = $1", lead.name[6:]
    )

    async def closed():
        return not (await score(desk, lead)).live

    await until(closed, "the score knows that its lead is closed")
    (month,) = (await call(desk, "GetScoringDrift", name=models[0])).months
    assert (month.month, month.leads, month.won) == ("2026-11", 1, 1)
    assert math.isclose(month.predicted, said)
    late = [Lead(display_name="Ново", channel="channels/fair", contact_time=BEGUN, version=1, create_time=BEGUN,
                 update_time=BEGUN) for _ in range(700)]  # fmt: skip
    await put(desk, late)
    moved = await call(desk, "GetScoringDrift", name=models[0])
    assert (moved.fields[0].verdict, moved.fields[0].psi > 0.25) == ("shifted", True)
    await desk.rows("DELETE FROM leads WHERE channel = 'channels/fair'")


async def test_a_model_that_learned_from_too_few_failed_and_says_so(desk):
    model = await trained(desk, since=(BEGUN + timedelta(days=95)).isoformat())
    assert model.state == States.FAILED
    assert "too few" in model.failure
    with pytest.raises(FailedPrecondition):
        await promoted(desk, model.name)


async def test_a_training_that_is_retired_ends_and_no_more_wait_than_may(desk, monkeypatch):
    monkeypatch.setattr("leads.rpc.scoring_models.MOST_TRAINED", 5)
    made = [await call(desk, "CreateScoringModel", scoringModel={"displayName": str(one)}) for one in range(5)]
    with pytest.raises(ResourceExhausted):
        await call(desk, "CreateScoringModel", scoringModel={"displayName": "6"})
    with pytest.raises(FailedPrecondition):
        await promoted(desk, made[-1].name)
    for model in made:
        assert (await call(desk, "RetireScoringModel", name=model.name)).state == States.RETIRED
    later = await trained(desk)  # the process that trained the first one made room
    assert later.state == States.CANDIDATE
    assert {(await shown(desk, model.name)).state for model in made} == {States.RETIRED}


async def test_a_training_whose_process_ends_again_and_again_is_given_up(desk, monkeypatch):
    async def dies(context, model):
        raise RuntimeError("killed")

    monkeypatch.setattr("leads.model_training._train", dies)
    monkeypatch.setattr("leads.model_training.LEASE", timedelta(0))
    model = await trained(desk)
    assert (model.state, "3 times" in model.failure) == (States.FAILED, True)


async def test_who_was_erased_teaches_nothing(desk):
    rows = await desk.rows("UPDATE leads SET display_name = $1 WHERE display_name = 'Lead 7' RETURNING id", GONE)
    sql = score_tables.closed("id, display_name", 500)
    found = await desk.rows(sql, "ffffffff-ffff-ffff-ffff-ffffffffffff", BEGUN)
    assert len(found) >= 399
    assert rows[0]["id"] not in {row["id"] for row in found}


async def test_only_who_configures_leads_trains_models(desk):
    for method in ("CreateScoringModel", "ListScoringModels"):
        with pytest.raises(PermissionDenied):
            await call(desk, method, by="users/ana")
    with pytest.raises(InvalidFields):
        await call(desk, "CreateScoringModel", scoringModel={"displayName": "", "backtestShare": 0.9})


async def test_a_retired_model_scores_no_more_and_what_it_learned_is_gone(desk, models):
    extra = models[1]
    await promoted(desk, extra)
    lead = await create(desk, channel="channels/web")
    await scored_by(desk, lead, extra)
    assert (await call(desk, "RetireScoringModel", name=extra)).state == States.RETIRED
    assert await desk.rows("SELECT FROM scoring_artefacts WHERE id = $1::uuid", extra.split("/")[1]) == []
    assert (await scored_by(desk, lead, "")).probability == 0
    for method in ("PromoteScoringModel", "ShadowScoringModel", "RetireScoringModel", "GetScoringDrift"):
        with pytest.raises(FailedPrecondition):
            await call(desk, method, name=extra)


def test_the_service_itself_loads_neither_scikit_learn_nor_numpy():
    code = "import sys, leads.__main__; sys.exit(bool({'sklearn', 'numpy', 'scipy'} & set(sys.modules)))"
    environment = {"PYTHONPATH": ":".join(sys.path)}
    assert subprocess.run([sys.executable, "-c", code], env=environment, check=False).returncode == 0
