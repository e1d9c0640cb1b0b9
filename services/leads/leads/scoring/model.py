"""A trained model: plain numbers that are kept as JSON, read back with every type checked, and never run as code.

raw log-odds  = shift + Σ weight · part (curves of single columns, and trees)
calibrated    = a rising curve of the raw log-odds
of a team     = shift + slope · calibrated, drawn towards the company's by how little the team has closed
probability   = never nearer to 0 or 1 than CLOSEST: an open lead is neither lost nor won
"""

import math
from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import msgspec

from leads.scoring.drift import Profile
from leads.scoring.features import Column, Field, Reads, text

FORMAT = 1
CLOSEST = 0.0001
FARTHEST = math.log((1 - CLOSEST) / CLOSEST)
Row = Sequence[float | None]


class UnfitModel(ValueError):
    """What was read is no model of this format."""


@dataclass(frozen=True)
class Curve:
    """A piecewise linear function; outside its points it goes on at `before` and `after` per unit."""

    xs: list[float]
    ys: list[float]
    before: float = 0.0
    after: float = 0.0
    blank: float = 0.0  # for a blank
    mean: float = 0.0  # over the leads it was trained on

    def at(self, x: float | None) -> float:
        if x is None:
            return self.blank
        if x <= self.xs[0]:
            return self.ys[0] - self.before * (self.xs[0] - x)
        if x >= self.xs[-1]:
            return self.ys[-1] + self.after * (x - self.xs[-1])
        right = bisect_right(self.xs, x)
        low, high = self.xs[right - 1], self.xs[right]
        return self.ys[right - 1] + (self.ys[right] - self.ys[right - 1]) * (x - low) / (high - low)


@dataclass(frozen=True)
class Tree:
    """Nodes in one list each; node 0 is the root, `left` and `right` are 0 in a leaf. `cover` counts the leads of
    training that came by."""

    column: list[int]
    threshold: list[float]
    blank_left: list[bool]
    left: list[int]
    right: list[int]
    value: list[float]
    cover: list[float]

    def at(self, row: Row) -> float:
        node = 0
        while self.left[node]:
            node = self.left[node] if self.goes_left(node, row) else self.right[node]
        return self.value[node]

    def goes_left(self, node: int, row: Row) -> bool:
        x = row[self.column[node]]
        return self.blank_left[node] if x is None else x <= self.threshold[node]

    def leaves(self) -> Iterator[tuple[int, list[tuple[int, bool]]]]:
        """Each leaf with the way to it: (node, whether it goes left)."""
        open_nodes: list[tuple[int, list[tuple[int, bool]]]] = [(0, [])]
        while open_nodes:
            node, way = open_nodes.pop()
            if not self.left[node]:
                yield node, way
            else:
                open_nodes += [(self.left[node], [*way, (node, True)]), (self.right[node], [*way, (node, False)])]

    def expected(self) -> float:
        """Its mean over the leads it was trained on."""
        return sum(self.value[leaf] * self.cover[leaf] for leaf, _ in self.leaves()) / self.cover[0]


@dataclass(frozen=True)
class TeamShift:
    """How a team differs from the company, in log-odds."""

    shift: float
    slope: float
    closed: int


@dataclass(frozen=True)
class Model:
    fields: list[Field]
    columns: list[Column]
    shift: float
    curves: list[Curve]  # one a column, or none at all
    trees: list[Tree]  # already weighted
    calibration: Curve
    teams: dict[str, TeamShift] = field(default_factory=dict)
    profile: dict[str, Profile] = field(default_factory=dict)  # field → what the leads of training said
    format: int = FORMAT

    def read(self, record: Mapping[str, Any]) -> list[float | None]:
        row: list[float | None] = [0.0] * len(self.columns)
        for name, (places, others) in self._reading.items():
            value = record.get(name)
            place = places.get(text(value))
            if place is not None:
                row[place] = 1.0
            for place, column in others:
                row[place] = column.read(value)
        return row

    @cached_property
    def _reading(self) -> dict[str, tuple[dict[str, int], list[tuple[int, Column]]]]:
        """Field → where its values have columns of their own, and its other columns: each field is read once."""
        reading: dict[str, tuple[dict[str, int], list[tuple[int, Column]]]] = {}
        for place, column in enumerate(self.columns):
            places, others = reading.setdefault(column.field, ({}, []))
            if column.reads is Reads.IS:
                places[column.value] = place
            else:
                others.append((place, column))
        return reading

    def raw(self, row: Row) -> float:
        said = sum(curve.at(x) for curve, x in zip(self.curves, row, strict=False))
        return self.shift + said + sum(tree.at(row) for tree in self.trees)

    def pooled(self, raw: float) -> float:
        """The company's calibrated log-odds."""
        return bounded(self.calibration.at(raw))

    def of_team(self, pooled: float, team: str) -> float:
        own = self.teams.get(team)
        return bounded(own.shift + own.slope * pooled) if own else pooled

    def log_odds(self, record: Mapping[str, Any], team: str = "") -> float:
        return self.of_team(self.pooled(self.raw(self.read(record))), team)

    def probability(self, record: Mapping[str, Any], team: str = "") -> float:
        """How likely the lead is to be won, strictly between 0 and 1."""
        return chance(self.log_odds(record, team))

    def to_json(self) -> bytes:
        return msgspec.json.encode(self)

    @staticmethod
    def from_json(data: bytes | str) -> "Model":
        """UnfitModel if it is anything but a whole model of this format."""
        try:
            model = msgspec.json.decode(data, type=Model)
            _check(model)
        except (msgspec.MsgspecError, ValueError, RecursionError) as unfit:
            raise UnfitModel(f"not a model of format {FORMAT}: {unfit}") from unfit
        return model


def chance(log_odds: float) -> float:
    return 1 / (1 + math.exp(-log_odds))


def bounded(log_odds: float) -> float:
    return min(max(log_odds, -FARTHEST), FARTHEST)


def _check(model: Model) -> None:
    _require(model.format == FORMAT, f"format {model.format}")
    _require(len(model.curves) in (0, len(model.columns)), "a curve for each column")
    names = {item.name for item in model.fields}
    _require(all(column.field in names for column in model.columns), "columns of its fields")
    for curve in [*model.curves, model.calibration]:
        _require(bool(curve.xs) and len(curve.xs) == len(curve.ys), "points with two coordinates")
        _require(all(low < high for low, high in zip(curve.xs, curve.xs[1:], strict=False)), "points in order")
    calibration = model.calibration
    rising = all(low < high for low, high in zip(calibration.ys, calibration.ys[1:], strict=False))
    _require(rising and calibration.before > 0 and calibration.after > 0, "a calibration that rises")
    _require(all(team.slope > 0 for team in model.teams.values()), "teams whose scores rise")
    for tree in model.trees:
        _check_tree(tree, len(model.columns))


def _check_tree(tree: Tree, columns: int) -> None:
    size = len(tree.column)
    lists = (tree.threshold, tree.blank_left, tree.left, tree.right, tree.value, tree.cover)
    _require(size > 0 and all(len(item) == size for item in lists), "nodes that are whole")
    for node in range(size):
        left, right = tree.left[node], tree.right[node]
        # A child stands after its parent, so no way through the tree is endless.
        _require((left == right == 0) or (node < left < size and node < right < size), "nodes after their parents")
        _require(0 <= tree.column[node] < columns and tree.cover[node] > 0, "nodes that read a column")


def _require(holds: bool, what: str) -> None:
    if not holds:
        raise ValueError(f"it must have {what}")
