"""Calls about pipelines."""

from chassis.convert import from_message
from chassis.values import slug
from chassis.work import Page, Work
from crm.sales.v1 import sales_pb2

from sales import tables
from sales.domain.pipeline import Pipeline, PipelineCreated, PipelineUpdated


class Pipelines:
    async def CreatePipeline(self, request: sales_pb2.CreatePipelineRequest, work: Work) -> Pipeline:
        pipeline_id = request.pipeline_id or slug(request.pipeline.display_name)
        pipeline = from_message(request.pipeline, Pipeline, id=pipeline_id)
        pipeline.check()
        work.emit(PipelineCreated(pipeline=work.add(pipeline), event_time=work.now))
        return pipeline

    async def GetPipeline(self, request: sales_pb2.GetPipelineRequest, work: Work) -> Pipeline:
        return await work.get(Pipeline, request.name)

    async def ListPipelines(self, request: sales_pb2.ListPipelinesRequest, work: Work) -> Page[Pipeline]:
        return await work.page(Pipeline, request)

    async def UpdatePipeline(self, request: sales_pb2.UpdatePipelineRequest, work: Work) -> Pipeline:
        """A deal that enters a stage in the very moment the stage goes keeps it, and can be advanced out of it."""
        pipeline = await work.get(Pipeline, request.pipeline.name, request.pipeline.etag)
        before = pipeline.slugs
        changed = work.update(pipeline, request.pipeline, request.update_mask.paths, "pipeline")
        pipeline.check()
        if set(before) - set(pipeline.slugs):
            in_use = [row["stage"] for row in await work.rows(tables.STAGES_IN_USE, pipeline=pipeline.name)]
            pipeline.check_removed(before, in_use)
        if changed:
            work.emit(PipelineUpdated(pipeline=pipeline, event_time=work.now))
        return pipeline
