"""Pipelines: the stages a deal goes through, and the reasons for which it may be lost."""

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import ClassVar

from chassis.errors import FailedPrecondition, InvalidFields
from chassis.values import Record

SLUG = re.compile(r"[a-z0-9_-]{1,63}")


class StageInUse(FailedPrecondition):
    "A stage with open deals cannot be removed."


class SumTooLarge(FailedPrecondition):
    """The deals in a stage amount to more than can be told; look for amounts that cannot be right."""


@dataclass(frozen=True, kw_only=True)
class Stage:
    """A step of a pipeline; `probability` (0 to 1) is the chance that a deal in it is won."""

    stage: str
    display_name: str = ""
    probability: float = 0.0


@dataclass(kw_only=True)
class Pipeline(Record):
    """The stages in order. A deal takes a stage's probability when it enters; a later change of the stage leaves the
    deals in it as they are."""

    collection: ClassVar[str] = "pipelines"
    DEFAULT: ClassVar[str] = "pipelines/default"

    display_name: str
    stages: list[Stage] = field(default_factory=list)
    lose_reasons: list[str] = field(default_factory=list)

    @property
    def slugs(self) -> list[str]:
        return [item.stage for item in self.stages]

    def check(self) -> None:
        """Stages and reasons are named once each. InvalidFields if not."""
        if not self.stages:
            raise InvalidFields(("pipeline.stages", "needs at least one stage"))
        _check_unique(self.slugs, "pipeline.stages")
        _check_unique(self.lose_reasons, "pipeline.lose_reasons")
        odd = [reason for reason in self.lose_reasons if not SLUG.fullmatch(reason)]
        if odd:
            raise InvalidFields(("pipeline.lose_reasons", f"{odd[0]!r} is not a slug"))

    def check_removed(self, before: Collection[str], in_use: Collection[str]) -> None:
        """`before`: the slugs the pipeline had; `in_use`: those that open deals are in."""
        missing = sorted((set(before) - set(self.slugs)) & set(in_use))
        if missing:
            raise StageInUse(pipeline=self.name, stages=", ".join(missing))

    def stage(self, slug: str, field_path: str) -> Stage:
        """The stage of that slug, the first for an empty one; InvalidFields if there is none."""
        if not slug:
            return self.stages[0]
        found = next((item for item in self.stages if item.stage == slug), None)
        if found is None:
            raise InvalidFields((field_path, f"is none of {', '.join(self.slugs)}"))
        return found

    def check_reason(self, reason: str) -> None:
        if self.lose_reasons and reason not in self.lose_reasons:
            raise InvalidFields(("reason", f"is none of {', '.join(self.lose_reasons)}"))


def _check_unique(slugs: Sequence[str], field_path: str) -> None:
    twice = sorted({slug for slug in slugs if slugs.count(slug) > 1})
    if twice:
        raise InvalidFields((field_path, f"names {', '.join(twice)} more than once"))


@dataclass(frozen=True, kw_only=True)
class PipelineCreated:
    pipeline: Pipeline
    event_time: datetime


@dataclass(frozen=True, kw_only=True)
class PipelineUpdated:
    pipeline: Pipeline
    event_time: datetime
