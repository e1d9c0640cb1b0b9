"""Models as the company sees them: trained, compared in the shadow, promoted, retired."""

from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum
from typing import ClassVar

from chassis.errors import FailedPrecondition, ResourceExhausted
from chassis.values import Record

from leads.scoring.metrics import Metrics
from leads.scoring.report import FieldNote, Report


class ModelNotTrained(FailedPrecondition):
    "The model was not trained, or not yet."


class ModelEnded(FailedPrecondition):
    "The model was retired, or could not be trained."


class ModelIsChampion(FailedPrecondition):
    "The model scores leads; it cannot be its own challenger."


class TooManyTrainings(ResourceExhausted):
    "As many models are being trained as may be; wait for one, or retire one."


class ModelState(Enum):
    TRAINING = 1
    CANDIDATE = 2
    CHAMPION = 3
    CHALLENGER = 4
    RETIRED = 5
    FAILED = 6


@dataclass(kw_only=True)
class ScoringModel(Record):
    """A model and what is known of it; what it learned stands beside it. While it is trained, whoever does so says so
    again and again until `lease_time`; then another one begins anew."""

    collection: ClassVar[str] = "scoringModels"

    display_name: str
    state: ModelState = ModelState.TRAINING
    since: datetime | None = None
    leave_out: list[str] = field(default_factory=list)
    backtest_share: float = 0.0
    progress: float = 0.0
    step: str = ""
    failure: str = ""
    learner: str = ""
    calibration: str = ""
    fields: list[str] = field(default_factory=list)
    notes: list[FieldNote] = field(default_factory=list)
    metrics: Metrics | None = None
    backtest: Metrics | None = None
    backtest_time: datetime | None = None
    promote_time: datetime | None = None
    retire_time: datetime | None = None
    lease_time: datetime | None = None
    attempts: int = 0

    def trained(self, report: Report, at: datetime) -> "ScoringModelTrained":
        self.learner, self.calibration = report.learner, report.calibration
        self.fields, self.notes = report.fields, report.notes
        self.metrics, self.backtest, self.backtest_time = report.metrics, report.backtest, report.backtest_time
        self.state, self.progress, self.step, self.lease_time = ModelState.CANDIDATE, 1.0, "", None
        return ScoringModelTrained(scoring_model=self, event_time=at)

    def fail(self, why: str, at: datetime) -> "ScoringModelTrained":
        self.state, self.failure, self.lease_time = ModelState.FAILED, why[:1000], None
        return ScoringModelTrained(scoring_model=self, event_time=at)

    def promote(self, at: datetime) -> "ScoringModelPromoted | None":
        """None if it is the champion already."""
        self.require_trained()
        if self.state is ModelState.CHAMPION:
            return None
        self.state, self.promote_time = ModelState.CHAMPION, at
        return ScoringModelPromoted(scoring_model=self, event_time=at)

    def shadow(self, at: datetime) -> "ScoringModelShadowed | None":
        self.require_trained()
        if self.state is ModelState.CHALLENGER:
            return None
        if self.state is ModelState.CHAMPION:
            raise ModelIsChampion(scoring_model=self.name)
        self.state = ModelState.CHALLENGER
        return ScoringModelShadowed(scoring_model=self, event_time=at)

    def stand_down(self, at: datetime) -> "ScoringModelReplaced":
        self.state = ModelState.CANDIDATE
        return ScoringModelReplaced(scoring_model=self, event_time=at)

    def retire(self, at: datetime) -> "ScoringModelRetired":
        if self.state in (ModelState.RETIRED, ModelState.FAILED):
            raise ModelEnded(scoring_model=self.name, state=self.state.name)
        self.state, self.retire_time, self.lease_time = ModelState.RETIRED, at, None
        return ScoringModelRetired(scoring_model=self, event_time=at)

    def require_trained(self) -> None:
        if self.state is ModelState.TRAINING:
            raise ModelNotTrained(scoring_model=self.name, state=self.state.name)
        if self.state in (ModelState.RETIRED, ModelState.FAILED):
            raise ModelEnded(scoring_model=self.name, state=self.state.name)


@dataclass(kw_only=True)
class ScoringRoles(Record):
    """Which model scores, and which one in the shadow. There is one; who changes a role changes this, so that of two at
    once the second looks again."""

    collection: ClassVar[str] = "scoringRoles"
    ID: ClassVar[str] = "roles"

    id: str = ID
    champion: str = ""
    challenger: str = ""

    def give(self, model: ScoringModel, role: ModelState) -> str:
        """Gives the model the role, and takes it from the other; answers the model that had the role, if any."""
        self.leave(model)
        before = self.champion if role is ModelState.CHAMPION else self.challenger
        if role is ModelState.CHAMPION:
            self.champion = model.name
        else:
            self.challenger = model.name
        return before

    def leave(self, model: ScoringModel) -> None:
        self.champion = "" if self.champion == model.name else self.champion
        self.challenger = "" if self.challenger == model.name else self.challenger


@dataclass(frozen=True, kw_only=True)
class ScoringModelCreated:
    scoring_model: ScoringModel
    event_time: datetime


@dataclass(frozen=True, kw_only=True)
class ScoringModelTrained:
    scoring_model: ScoringModel
    event_time: datetime


@dataclass(frozen=True, kw_only=True)
class ScoringModelPromoted:
    scoring_model: ScoringModel
    event_time: datetime


@dataclass(frozen=True, kw_only=True)
class ScoringModelShadowed:
    scoring_model: ScoringModel
    event_time: datetime


@dataclass(frozen=True, kw_only=True)
class ScoringModelReplaced:
    scoring_model: ScoringModel
    event_time: datetime


@dataclass(frozen=True, kw_only=True)
class ScoringModelRetired:
    scoring_model: ScoringModel
    event_time: datetime
