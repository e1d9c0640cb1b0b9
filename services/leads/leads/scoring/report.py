"""What a training process says, line by line: how far it is, then what came of it. Plain data on both sides."""

from dataclasses import dataclass, field
from datetime import datetime

from leads.scoring.metrics import Metrics


@dataclass(frozen=True, kw_only=True)
class FieldNote:
    """A field that is not read, or is doubtful, and why."""

    field: str
    why: str
    left_out: bool = True


@dataclass(frozen=True, kw_only=True)
class Report:
    """A trained model, as JSON text, and what is known of it."""

    model: str
    learner: str
    calibration: str
    fields: list[str]
    notes: list[FieldNote] = field(default_factory=list)
    metrics: Metrics | None = None
    backtest: Metrics | None = None
    backtest_time: datetime | None = None


@dataclass(frozen=True, kw_only=True)
class Asked:
    """The first line to a training process; a line for each closed lead follows (leads.scoring.backtest.Closed)."""

    leave_out: list[str]
    backtest_share: float
    not_told: dict[str, str] = field(default_factory=dict)  # fields that no lead comes with here, and why


@dataclass(frozen=True, kw_only=True)
class Said:
    """A line of a training process. The last one has a report, or says why there is none."""

    progress: float = 0.0
    step: str = ""
    failure: str = ""
    report: Report | None = None
