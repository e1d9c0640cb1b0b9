"""Calls about prospects: what is looked for, what was found, and what becomes of it."""

from chassis.convert import from_message
from chassis.errors import InvalidFields
from chassis.operation import State
from chassis.values import id_of
from chassis.work import Page, Work
from crm.leads.v1 import prospects_pb2 as pb

from chassis import operations
from leads import accepting, prospecting
from leads.domain.operation import LeadOperation
from leads.domain.prospect import Prospect
from leads.domain.prospect_search import (
    ProspectSearch,
    ProspectSearchCreated,
    ProspectSearchFull,
    ProspectSearchUnderWay,
)
from leads.outgoing.prospect_sources import prospect_sources


class Prospects:
    async def ListProspectSources(
        self, request: pb.ListProspectSourcesRequest, work: Work
    ) -> pb.ListProspectSourcesResponse:
        answer = pb.ListProspectSourcesResponse()
        for one in prospect_sources().values():
            told = {"currency": one.currency, "keep_days": one.keep_days}
            answer.prospect_sources.add(source=one.source, criteria=one.criteria, fields=sorted(one.fields), **told)
        return answer

    async def CreateProspectSearch(self, request: pb.CreateProspectSearchRequest, work: Work) -> ProspectSearch:
        search = from_message(request.prospect_search, ProspectSearch, owner=work.caller.actor, team=work.caller.team)
        search.settle()
        _check(search)
        work.emit(ProspectSearchCreated(prospect_search=work.add(search), event_time=work.now))
        return search

    async def GetProspectSearch(self, request: pb.GetProspectSearchRequest, work: Work) -> ProspectSearch:
        return await work.get(ProspectSearch, request.name)

    async def ListProspectSearches(self, request: pb.ListProspectSearchesRequest, work: Work) -> Page[ProspectSearch]:
        return await work.page(ProspectSearch, request)

    async def UpdateProspectSearch(self, request: pb.UpdateProspectSearchRequest, work: Work) -> ProspectSearch:
        given = request.prospect_search
        search = await work.get(ProspectSearch, given.name, given.etag)
        changed = work.update(search, given, request.update_mask.paths, "prospect_search", ProspectSearch.settle)
        if changed:
            if {"criteria", "source"} & set(changed):
                await _refuse_under_way(search, work)
                _check(search)
            work.emit(search.changed(changed, work.now))
        return search

    async def ArchiveProspectSearch(self, request: pb.ArchiveProspectSearchRequest, work: Work) -> ProspectSearch:
        search = await work.get(ProspectSearch, request.name, request.etag)
        work.emit(search.archive(at=work.now))
        return search

    async def RestoreProspectSearch(self, request: pb.RestoreProspectSearchRequest, work: Work) -> ProspectSearch:
        search = await work.get(ProspectSearch, request.name, request.etag)
        work.emit(search.restore(at=work.now))
        return search

    async def RunProspectSearch(self, request: pb.RunProspectSearchRequest, work: Work) -> LeadOperation:
        search = await work.get(ProspectSearch, request.name)
        search.require_in_use()
        await _refuse_under_way(search, work)
        prospecting.source_of(search, work)
        if not await prospecting.room_in(search, work):
            raise ProspectSearchFull(name=search.name, most_prospects=search.most_prospects)
        asked = {"search": search.name}
        operation = await operations.begin(LeadOperation, prospecting.RUN, asked, work)
        work.emit(search.run(operation.name, resume=request.resume, at=work.now))
        return operation

    async def GetProspect(self, request: pb.GetProspectRequest, work: Work) -> Prospect:
        return await work.get(Prospect, request.name)

    async def ListProspects(self, request: pb.ListProspectsRequest, work: Work) -> Page[Prospect]:
        return await work.page(Prospect, request)

    async def AcceptProspects(self, request: pb.AcceptProspectsRequest, work: Work) -> pb.AcceptProspectsResponse:
        results = await accepting.accept(request.names, even_if_known=request.even_if_known, work=work)
        return pb.AcceptProspectsResponse(results=results)

    async def DismissProspects(self, request: pb.DismissProspectsRequest, work: Work) -> pb.DismissProspectsResponse:
        return pb.DismissProspectsResponse(results=await accepting.dismiss(request.names, work))


def _check(search: ProspectSearch) -> None:
    """InvalidFields for a source that is not set up, and for what it cannot be asked for."""
    try:
        source = prospect_sources().get(search.source)
        if source is None:
            raise InvalidFields(("source", f"{search.source} is not set up"))
        search.criteria.check(source.source, source.criteria)
    except InvalidFields as wrong:
        raise InvalidFields(*((f"prospect_search.{path}", said) for path, said in wrong.violations)) from wrong


async def _refuse_under_way(search: ProspectSearch, work: Work) -> None:
    found = await work.find_one(LeadOperation, id=id_of(search.operation)) if search.operation else None
    if found is not None and found.state is State.RUNNING:
        raise ProspectSearchUnderWay(name=search.name, operation=found.name)
