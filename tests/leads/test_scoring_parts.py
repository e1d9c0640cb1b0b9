"""The parts of the score: reading fields, leaks, figures of quality, drift, backtests, and rules with points."""

import math
import random
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from closed_leads import closed_leads
from hypothesis import given
from hypothesis import strategies as st
from leads.scoring import calibration, drift, encoding, metrics
from leads.scoring.backtest import Closed, NothingToTest, backtest, cut_at
from leads.scoring.features import Field, Kind, civil, infer, kind_of, number, text
from leads.scoring.leakage import find
from leads.scoring.rules import Comparison, Condition, Rule, rule_score
from sklearn.metrics import brier_score_loss, roc_auc_score

NOW = datetime(2026, 6, 1, tzinfo=UTC)
PROBABILITIES = st.lists(st.tuples(st.floats(0.01, 0.99), st.integers(0, 1)), min_size=1, max_size=60)


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        (["1", "2.5", "", "7"], Kind.NUMBER),
        (["0", "1", "1", "0"], Kind.CATEGORY),
        ([True, False, None], Kind.CATEGORY),
        (["2026-01-02", "2026-01-03 10:00:00", ""], Kind.DATE),
        (["推荐", "сайт", "推荐"], Kind.CATEGORY),
        ([f"p{number % 60}" for number in range(300)], Kind.IDENTIFIER),
        ([f"p{number}" for number in range(300)], None),
        (["same"] * 9, None),
        ([], None),
    ],
)
def test_a_field_is_of_the_kind_that_its_values_are(values, kind):
    assert kind_of(values)[0] is kind


@given(st.none() | st.booleans() | st.floats() | st.integers() | st.text())
def test_any_value_at_all_can_be_read(value):
    assert text(text(value)) == text(value)
    read = number(value)
    assert read is None or math.isfinite(read)
    civil(value)


def test_a_matrix_holds_what_each_record_reads():
    records, won, _ = closed_leads(200)
    fields, _ = infer(records)
    table, rows = encoding.Table(records, fields), np.arange(200)
    columns = encoding.learn(table, np.array(won), rows)
    matrix = table.matrix(columns, rows)
    assert {column.field for column in columns} == {item.name for item in fields}
    for record, row in zip(records, matrix, strict=True):
        read = [math.nan if x is None else x for x in (column.read(record.get(column.field)) for column in columns)]
        assert np.array_equal(read, row, equal_nan=True)


def leaky(noise: float) -> list[dict]:
    draw = random.Random(1)
    _, won, _ = closed_leads(400)
    return [
        {
            "verdict": "good" if outcome ^ (draw.random() < noise) else "bad",
            "size": draw.random(),
            "deal": "x" * outcome,
        }
        for outcome in won
    ]


def test_a_column_that_knows_the_outcome_is_named_with_its_reason():
    _, won, _ = closed_leads(400)
    records = leaky(0.03)
    leaks = {leak.field: leak for leak in find(records, won, infer(records)[0])}
    assert leaks["verdict"].certain
    assert "alone it orders leads nearly as they ended" in leaks["verdict"].why
    assert leaks["deal"].certain
    assert "filled in for 100% of won and 0% of lost leads" in leaks["deal"].why
    assert "size" not in leaks


def test_a_column_that_only_helps_is_no_leak():
    _, won, _ = closed_leads(400)
    records = [{"verdict": record["verdict"]} for record in leaky(0.3)]
    assert find(records, won, infer(records)[0]) == []


@given(PROBABILITIES)
def test_figures_are_those_of_scikit_learn(pairs):
    scores, won = [score for score, _ in pairs], [outcome for _, outcome in pairs]
    assert math.isclose(metrics.brier(scores, won), brier_score_loss(won, scores, pos_label=1), abs_tol=1e-9)
    if 0 < sum(won) < len(won):
        assert math.isclose(metrics.auc(scores, won), roc_auc_score(won, scores), abs_tol=1e-9)
    else:
        assert metrics.auc(scores, won) == 0.5


@given(PROBABILITIES, st.randoms())
def test_bins_hold_every_lead_once_in_whatever_order(pairs, draw):
    mixed = list(pairs)
    draw.shuffle(mixed)
    bins = [metrics.reliability([s for s, _ in part], [w for _, w in part]) for part in (pairs, mixed)]
    assert sum(item.leads for item in bins[0]) == len(pairs)
    for one, other in zip(*bins, strict=True):
        assert (one.leads, round(one.won, 9)) == (other.leads, round(other.won, 9))
    assert metrics.expected_calibration_error(bins[0]) <= 1


def drawn(number: int, distort: float) -> tuple[np.ndarray, np.ndarray]:
    draw = np.random.default_rng(3)
    raw = draw.normal(0, 2, number)
    return raw, (draw.random(number) < 1 / (1 + np.exp(-distort * raw))).astype(int)


@pytest.mark.parametrize("distort", [0.4, 1.0, 2.0])
@pytest.mark.parametrize("name", ["sigmoid", "isotonic"])
def test_a_calibrated_score_says_what_happens(name, distort):
    raw, won = drawn(4000, distort)
    curve = calibration.WAYS[name](raw, won)
    said = 1 / (1 + np.exp(-calibration.apply(curve, raw)))
    bins = metrics.reliability(said.tolist(), won.tolist())
    assert metrics.expected_calibration_error(bins) < 0.025
    assert all(low < high for low, high in zip(curve.ys, curve.ys[1:], strict=False))
    assert curve.before > 0
    assert curve.after > 0


def test_a_score_that_is_right_is_left_as_it_is():
    raw, won = drawn(4000, 1.0)
    curve = calibration.choose(raw, won, 1)[1]
    assert np.abs(calibration.apply(curve, raw) - raw).mean() < 0.15
    raw, won = drawn(4000, 0.4)
    assert calibration.choose(raw, won, 1)[0] != "none"


@given(st.lists(st.integers(0, 50), min_size=2, max_size=8), st.integers(1, 5))
def test_leads_of_the_same_mix_have_not_drifted(counts, times):
    assert drift.psi(counts, counts) == pytest.approx(0)
    assert drift.psi(counts, list(reversed(counts))) >= 0


def test_a_field_that_changed_is_named_first():
    records, _, _ = closed_leads(600)
    fields = [Field("origin", Kind.CATEGORY), Field("hours", Kind.NUMBER), Field("first_contact", Kind.DATE)]
    then = {item.name: drift.profile(item, [record[item.name] for record in records]) for item in fields}
    same = drift.drifts(fields, then, closed_leads(600, seed=7)[0])
    assert [item.word for item in same] == ["stable"] * 3
    moved = drift.drifts(fields, then, [record | {"origin": "新来源"} for record in records])
    assert (moved[0].field, moved[0].word) == ("origin", "shifted")
    assert moved[1].psi == pytest.approx(0)


def history(flips: datetime | None) -> list[Closed]:
    draw, found = random.Random(6), []
    for place in range(500):
        came = NOW + timedelta(days=place / 5)
        likes = draw.random() < 0.5
        wins = draw.random() < (0.85 if likes != (flips is not None and came >= flips) else 0.15)
        found.append(Closed({"likes": likes, "x": draw.random()}, int(wins), "", came, came + timedelta(days=3)))
    return found


def test_a_backtest_knows_nothing_of_what_came_after_its_day():
    cut = cut_at(history(None), 0.3)
    steady, turned = backtest(history(None), cut), backtest(history(cut), cut)
    assert steady.metrics.auc > 0.75
    assert turned.metrics.auc < 0.25  # the world turned round on that day, and the model could not know
    assert steady.trained_on == sum(lead.close_time < cut for lead in history(None))
    assert sum(month.leads for month in steady.months.values()) == steady.metrics.leads == 150


def test_a_backtest_learns_from_the_latest_before_its_day(monkeypatch):
    monkeypatch.setattr("leads.scoring.backtest.MOST_LEARNED_FROM", 120)
    cut = cut_at(history(None), 0.3)
    turned_before = backtest(history(cut - timedelta(days=40)), cut)
    assert turned_before.trained_on == 120
    assert turned_before.metrics.auc > 0.75


def test_a_backtest_without_later_leads_is_refused():
    with pytest.raises(NothingToTest):
        backtest(history(None), NOW + timedelta(days=400))


def rule(**fields) -> Rule:
    return Rule(**({"rule": "r", "points": 20} | fields))


@pytest.mark.parametrize(
    ("test", "value", "said", "holds"),
    [
        (Comparison.EQUALS, "推荐", "推荐", True),
        (Comparison.EQUALS, "Сайт", " САЙТ", True),
        (Comparison.EQUALS, "x", "y", False),
        (Comparison.NOT_EQUALS, "x", "y", True),
        (Comparison.NOT_EQUALS, "x", "X", False),
        (Comparison.CONTAINS, "dir", "Sales Director", True),
        (Comparison.CONTAINS, "", "Sales Director", False),
        (Comparison.FILLED, "", "a", True),
        (Comparison.FILLED, "", "  ", False),
        (Comparison.BLANK, "", None, True),
        (Comparison.BLANK, "", "a", False),
        (Comparison.AT_LEAST, "3", 3, True),
        (Comparison.AT_LEAST, "3", 2, False),
        (Comparison.AT_LEAST, "3", "many", False),
        (Comparison.AT_MOST, "3", "2.5", True),
        (Comparison.AT_MOST, "3", 4, False),
    ],
)
def test_a_rule_gives_its_points_where_its_condition_holds(test, value, said, holds):
    given_ = rule_score([rule(conditions=[Condition(field="f", test=test, value=value)])], {"f": said}, {}, NOW)
    assert given_.points == (20 if holds else 0)
    assert given_.parts == ({"r": 20.0} if holds else {})


@given(st.floats(0.1, 1000), st.floats(0, 5000), st.integers(-100, 100))
def test_points_halve_every_half_life(half_life, age, points):
    fading = rule(points=points, decay_since="last_call_time", half_life_days=half_life)
    at, later = ({"last_call_time": NOW - timedelta(days=days)} for days in (age, age + half_life))
    now, then = fading.worth({}, at, NOW), fading.worth({}, later, NOW)
    assert then == pytest.approx(now / 2, rel=1e-3, abs=1e-6)
    assert abs(now) <= abs(points)


def test_points_fade_from_a_time_that_is_known_and_past():
    fading = rule(decay_since="last_call_time", half_life_days=10)
    assert fading.worth({}, {"last_call_time": None}, NOW) == 0
    assert fading.worth({}, {"last_call_time": NOW + timedelta(days=1)}, NOW) == 20
