"""The calls that find leads recorded twice, and take what people say of them."""

from chassis.convert import to_message
from chassis.errors import InvalidFields, RecordNotFound
from chassis.work import Work
from crm.leads.v1 import duplicates_pb2, leads_pb2

from leads import looking, merging
from leads.configuration import settings_of
from leads.domain.duplicate import Duplicate
from leads.domain.duplicate_candidate import DuplicateCandidate
from leads.domain.lead import Lead
from leads.domain.match_settings import MatchSettings, MatchSettingsUpdated
from leads.domain.merge import LeadMerge
from leads.rpc.merges import survivorship

SHOWN, MOST_SHOWN = 20, 100


class Duplicates:
    async def FindDuplicates(
        self, request: duplicates_pb2.FindDuplicatesRequest, work: Work
    ) -> duplicates_pb2.FindDuplicatesResponse:
        found = await looking.alike(await work.get(Lead, request.name), work)
        shown = found[: min(request.page_size or SHOWN, MOST_SHOWN)]
        return duplicates_pb2.FindDuplicatesResponse(duplicates=[_told(one) for one in shown])

    async def ReviewDuplicates(
        self, request: duplicates_pb2.ReviewDuplicatesRequest, work: Work
    ) -> duplicates_pb2.ReviewDuplicatesResponse:
        answer = duplicates_pb2.ReviewDuplicatesResponse()
        for name, lead, duplicate in await looking.open_pairs(min(request.page_size or SHOWN, MOST_SHOWN), work):
            answer.pairs.add(candidate=name, lead=to_message(lead, leads_pb2.Lead), duplicate=_told(duplicate))
        return answer

    async def DismissDuplicate(self, request: duplicates_pb2.DismissDuplicateRequest, work: Work) -> DuplicateCandidate:
        candidate = await _candidate(request.name, work)
        work.emit(candidate.dismiss(work.caller.actor, work.now))
        return candidate

    async def AcceptDuplicate(self, request: duplicates_pb2.AcceptDuplicateRequest, work: Work) -> LeadMerge:
        candidate = await _candidate(request.name, work)
        survivor = request.lead or candidate.other
        if survivor not in (candidate.other, candidate.lead):
            raise InvalidFields(("lead", "is none of the two"))
        others = {name: "" for name in (candidate.other, candidate.lead) if name != survivor}
        days = (await settings_of(work)).merge_undo_days
        planned, leads = await merging.planned(survivor, "", others, survivorship(request), days, work)
        return await merging.merge(planned, leads, work)

    async def GetMatchSettings(self, request: duplicates_pb2.GetMatchSettingsRequest, work: Work) -> MatchSettings:
        return await looking.settings_of(work)

    async def UpdateMatchSettings(
        self, request: duplicates_pb2.UpdateMatchSettingsRequest, work: Work
    ) -> MatchSettings:
        settings = await work.get_or_add(MatchSettings(), request.match_settings.etag)
        changed = work.update(settings, request.match_settings, request.update_mask.paths, "match_settings")
        settings.check()
        if changed:
            work.emit(MatchSettingsUpdated(match_settings=settings, fields=changed, event_time=work.now))
        return settings


async def _candidate(name: str, work: Work) -> DuplicateCandidate:
    """The pair, if the caller may see both leads: it would tell of the other one."""
    candidate = await work.get(DuplicateCandidate, name)
    try:
        for lead in (candidate.lead, candidate.other):
            await work.get(Lead, lead)
    except RecordNotFound as hidden:
        raise RecordNotFound(name=name) from hidden
    return candidate


def _told(one: Duplicate) -> duplicates_pb2.Duplicate:
    told = to_message(one, duplicates_pb2.Duplicate)
    told.lead.CopyFrom(to_message(one.lead, leads_pb2.Lead))
    return told
