"""Calls that make one lead of several, tell how, and take it back."""

from typing import Any

from chassis.convert import to_message
from chassis.errors import InvalidFields
from chassis.work import Work
from crm.leads.v1 import merges_pb2

from leads import merging
from leads.configuration import settings_of
from leads.domain.lead import Lead
from leads.domain.merge import LeadMerge
from leads.domain.state import State
from leads.domain.survivorship import Rule, Survivorship


class Merges:
    async def PreviewMerge(self, request: merges_pb2.PreviewMergeRequest, work: Work) -> merges_pb2.LeadMerge:
        planned, _ = await _planned(request, "", work)
        shown = to_message(planned, merges_pb2.LeadMerge)
        for name in ("name", "etag", "state", "merge_time"):
            shown.ClearField(name)
        return shown

    async def MergeLeads(self, request: merges_pb2.MergeLeadsRequest, work: Work) -> LeadMerge:
        planned, leads = await _planned(request, request.etag, work)
        return await merging.merge(planned, leads, work)

    async def UndoMerge(self, request: merges_pb2.UndoMergeRequest, work: Work) -> LeadMerge:
        return await merging.undo(await work.get(Lead, request.name, request.etag), work)

    async def ExplainMerge(
        self, request: merges_pb2.ExplainMergeRequest, work: Work
    ) -> merges_pb2.ExplainMergeResponse:
        lead = await work.get(Lead, request.name)
        found = await merging.merges_into(lead.merged_into or lead.name, work)
        mine = [one for one in found if lead.state is not State.MERGED or lead.name in one.merged]
        return merges_pb2.ExplainMergeResponse(merges=[to_message(one, merges_pb2.LeadMerge) for one in mine])


async def _planned(
    request: merges_pb2.PreviewMergeRequest | merges_pb2.MergeLeadsRequest, etag: str, work: Work
) -> tuple[LeadMerge, list[Lead]]:
    others = {one.name: one.etag for one in request.merged}
    if len(others) != len(request.merged):
        raise InvalidFields(("merged", "names a lead twice"))
    days = (await settings_of(work)).merge_undo_days
    return await merging.planned(request.name, etag, others, survivorship(request), days, work)


def survivorship(request: Any) -> Survivorship:
    """The rules of a request that has `rule` and `fields`."""
    return Survivorship(
        rule=Rule(request.rule or Rule.SURVIVOR.value),
        rules={one.field: Rule(one.rule or Rule.SURVIVOR.value) for one in request.fields},
        choices={one.field: one.lead for one in request.fields if one.lead},
    )
