"""Calls about models."""

import asyncio
from typing import Any
from zoneinfo import ZoneInfo

from chassis.convert import from_message
from chassis.database import Query
from chassis.work import Page, Work
from crm.leads.v1 import scoring_models_pb2
from sqlalchemy import select

from leads import score_tables, scorekeeping, tables
from leads.domain.lead import Lead
from leads.domain.lead_facts import first_facts
from leads.domain.scoring_model import (
    ModelState,
    ScoringModel,
    ScoringModelCreated,
    ScoringRoles,
    TooManyTrainings,
)
from leads.scoring.drift import Drift, drifts

MOST_LOOKED_AT = 2000
MOST_TRAINED = 20  # they wait for each other
NEWEST = Query(select(tables.leads).order_by(tables.leads.c.id.desc()).limit(MOST_LOOKED_AT))


class Models:
    async def CreateScoringModel(
        self, request: scoring_models_pb2.CreateScoringModelRequest, work: Work
    ) -> ScoringModel:
        (row,) = await work.context.database.fetch(score_tables.TRAINED_NOW, [], work.connection)
        if row["number"] >= MOST_TRAINED:
            raise TooManyTrainings(training=row["number"])
        given = from_message(request.scoring_model, ScoringModel)
        model = work.add(
            ScoringModel(
                display_name=given.display_name,
                since=given.since,
                leave_out=given.leave_out,
                backtest_share=given.backtest_share,
            )
        )
        work.emit(ScoringModelCreated(scoring_model=model, event_time=work.now))
        return model

    async def GetScoringModel(self, request: scoring_models_pb2.GetScoringModelRequest, work: Work) -> ScoringModel:
        return await work.get(ScoringModel, request.name)

    async def ListScoringModels(
        self, request: scoring_models_pb2.ListScoringModelsRequest, work: Work
    ) -> Page[ScoringModel]:
        return await work.page(ScoringModel, request)

    async def PromoteScoringModel(
        self, request: scoring_models_pb2.PromoteScoringModelRequest, work: Work
    ) -> ScoringModel:
        return await _give_role(request, ModelState.CHAMPION, work)

    async def ShadowScoringModel(
        self, request: scoring_models_pb2.ShadowScoringModelRequest, work: Work
    ) -> ScoringModel:
        return await _give_role(request, ModelState.CHALLENGER, work)

    async def RetireScoringModel(
        self, request: scoring_models_pb2.RetireScoringModelRequest, work: Work
    ) -> ScoringModel:
        model = await work.get(ScoringModel, request.name, request.etag)
        if model.state in (ModelState.CHAMPION, ModelState.CHALLENGER):
            (await work.get_or_add(ScoringRoles())).leave(model)
            await work.execute(score_tables.SWEEP)
        await work.execute(score_tables.FORGET_ARTEFACT, model.id)
        work.emit(model.retire(work.now))
        return model

    async def GetScoringDrift(
        self, request: scoring_models_pb2.GetScoringDriftRequest, work: Work
    ) -> scoring_models_pb2.ScoringDrift:
        record = await work.get(ScoringModel, request.name)
        record.require_trained()
        model, mapper = await scorekeeping.artefact(record.name, work), work.context.mappers[Lead]
        rows, zone = await work.rows(NEWEST), ZoneInfo(work.context.company_zone)

        def compared() -> list[Drift]:
            leads: list[Any] = [mapper.load(row) for row in rows]
            return drifts(model.fields, model.profile, [first_facts(lead, zone) for lead in leads])

        found = await asyncio.to_thread(compared)
        months = await work.rows(score_tables.MONTHS, model=record.name)
        return scoring_models_pb2.ScoringDrift(
            scoring_model=record.name,
            leads=len(rows),
            fields=[scoring_models_pb2.ScoringDrift.Field(field=d.field, psi=d.psi, verdict=d.word) for d in found],
            months=[scoring_models_pb2.ScoringDrift.Month(**row) for row in reversed(months)],
        )


async def _give_role(request: Any, role: ModelState, work: Work) -> ScoringModel:
    """Gives a model a role, and takes it from the one that had it."""
    model = await work.get(ScoringModel, request.name, request.etag)
    event = model.promote(work.now) if role is ModelState.CHAMPION else model.shadow(work.now)
    if event is None:
        return model
    roles = await work.get_or_add(ScoringRoles())
    if before := roles.give(model, role):
        work.emit((await work.get(ScoringModel, before)).stand_down(work.now))
    work.emit(event)
    await work.execute(score_tables.SWEEP)
    return model
