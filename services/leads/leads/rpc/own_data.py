"""Calls about the data that people look after themselves, and theirs."""

from chassis.errors import StaleEtag
from chassis.work import Work
from crm.leads.v1 import own_data_pb2 as pb

from leads import notifying
from leads.domain.enrichment import LeadEnrichment
from leads.domain.lead import Lead, LeadUpdated
from leads.domain.notification import NotificationKind
from leads.domain.own_data import NoSuchOwnData, OwnData, OwnDataLink, OwnDataNotShared, Shared, hash_of, new_token
from leads.spelling import tidy


class OwnDataCalls:
    async def ShareOwnData(self, request: pb.ShareOwnDataRequest, work: Work) -> Shared:
        lead = await work.get(Lead, request.name, request.etag)
        link, token = await work.get_or_add(OwnDataLink.of(lead)), new_token()
        work.emit(link.share(lead, token, request.days, at=work.now))
        return Shared(own_data_link=link, token=token)

    async def WithdrawOwnData(self, request: pb.WithdrawOwnDataRequest, work: Work) -> OwnDataLink:
        lead = await work.get(Lead, request.name, request.etag)
        link = await work.find_one(OwnDataLink, id=lead.id)
        if link is None:
            raise OwnDataNotShared(lead=lead.name)
        work.emit(link.withdraw(lead, at=work.now))
        return link

    async def GetOwnDataLink(self, request: pb.GetOwnDataLinkRequest, work: Work) -> OwnDataLink:
        return await work.get(OwnDataLink, request.name)

    async def GetOwnData(self, request: pb.GetOwnDataRequest, work: Work) -> OwnData:
        link, lead = await _opened(request.token, work)
        return OwnData.of(lead, link)

    async def UpdateOwnData(self, request: pb.UpdateOwnDataRequest, work: Work) -> OwnData:
        link, lead = await _opened(request.token, work)
        if request.own_data.etag not in ("", OwnData.of(lead, link).etag):
            raise StaleEtag()
        changed = work.update(lead, request.own_data, request.update_mask.paths, "own_data", tidy(work))
        if changed:
            work.emit(LeadUpdated(lead=lead, fields=changed, event_time=work.now))
            work.emit(link.changed(lead, changed, at=work.now))
            (await work.get_or_add(LeadEnrichment.of(lead))).said(lead, changed, at=work.now)
            await notifying.tell(lead.owner, NotificationKind.OWN_DATA_UPDATED, lead.name, work)
        return OwnData.of(lead, link)


async def _opened(token: str, work: Work) -> tuple[OwnDataLink, Lead]:
    """The link with this secret, and its lead. It is found by a hash, so that the time of an answer tells nothing of
    secrets that are nearly right."""
    link = await work.find_one(OwnDataLink, token_hash=hash_of(token))
    lead = await work.find_one(Lead, id=link.id) if link else None
    if link is None or lead is None or not link.opens(lead, work.now):
        raise NoSuchOwnData()
    return link, lead
