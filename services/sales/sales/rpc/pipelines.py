"""Calls about pipelines."""

from collections import defaultdict
from decimal import Decimal

from chassis.convert import from_message, money_message
from chassis.figures import Figure
from chassis.values import Money, slug
from chassis.work import Page, Work
from crm.sales.v1 import sales_pb2
from google.type import money_pb2

from chassis import figures
from sales import tables
from sales.domain.pipeline import Pipeline, PipelineCreated, PipelineUpdated, Stage, SumTooLarge

LARGEST = Decimal(2**63)  # units of google.type.Money


class Pipelines:
    async def CreatePipeline(self, request: sales_pb2.CreatePipelineRequest, work: Work) -> Pipeline:
        pipeline_id = request.pipeline_id or slug(request.pipeline.display_name)
        pipeline = from_message(request.pipeline, Pipeline, id=pipeline_id)
        pipeline.check()
        work.emit(PipelineCreated(pipeline=work.add(pipeline), event_time=work.now))
        return pipeline

    async def GetPipeline(self, request: sales_pb2.GetPipelineRequest, work: Work) -> Pipeline:
        return await work.get(Pipeline, request.name)

    async def GetPipelineSummary(
        self, request: sales_pb2.GetPipelineSummaryRequest, work: Work
    ) -> sales_pb2.PipelineSummary:
        pipeline = await work.get(Pipeline, request.name)
        lying: defaultdict[str, list[Figure]] = defaultdict(list)
        for figure in await figures.sums(work, [tables.OPEN_DEALS.kind], f"{pipeline.name}/"):
            lying[figure.key.rpartition("/")[2]].append(figure)
        stages = [*pipeline.stages, *(Stage(stage=gone) for gone in lying if gone not in pipeline.slugs)]
        return sales_pb2.PipelineSummary(
            name=pipeline.name, stages=[_summary(stage, lying.get(stage.stage, [])) for stage in stages]
        )

    async def ListPipelines(self, request: sales_pb2.ListPipelinesRequest, work: Work) -> Page[Pipeline]:
        return await work.page(Pipeline, request)

    async def UpdatePipeline(self, request: sales_pb2.UpdatePipelineRequest, work: Work) -> Pipeline:
        """A deal that enters a stage in the very moment the stage goes keeps it, and can be advanced out of it."""
        pipeline = await work.get(Pipeline, request.pipeline.name, request.pipeline.etag)
        before = pipeline.slugs
        changed = work.update(pipeline, request.pipeline, request.update_mask.paths, "pipeline")
        pipeline.check()
        if gone := sorted(set(before) - set(pipeline.slugs)):
            rows = await work.rows(tables.STAGES_IN_USE, pipeline=pipeline.name, stages=gone)
            pipeline.check_removed(before, [row["stage"] for row in rows])
        if changed:
            work.emit(PipelineUpdated(pipeline=pipeline, event_time=work.now))
        return pipeline


def _summary(stage: Stage, lying: list[Figure]) -> sales_pb2.StageSummary:
    return sales_pb2.StageSummary(
        stage=stage.stage,
        display_name=stage.display_name,
        opportunities=sum(figure.number for figure in lying),
        amounts=[
            sales_pb2.StageAmount(
                opportunities=figure.number,
                amount=_money(figure.amount, figure, stage),
                weighted_amount=_money(figure.weighted, figure, stage),
            )
            for figure in sorted(lying, key=lambda figure: (-figure.number, figure.currency))
            if figure.currency
        ],
    )


def _money(amount: Decimal, figure: Figure, stage: Stage) -> money_pb2.Money:
    if abs(amount) >= LARGEST:
        raise SumTooLarge(stage=stage.stage, currency=figure.currency)
    return money_message(Money(amount=amount, currency=figure.currency))
