"""Calls about what outside sources know of leads."""

from copy import copy

from chassis.errors import FailedPrecondition
from chassis.work import Page, Work
from crm.leads.v1 import enrichments_pb2

from leads import enriching
from leads.domain.enrichment import Enriched, EnrichmentError, LeadEnrichment, apply
from leads.domain.lead import Lead
from leads.domain.state import OPEN
from leads.outgoing.sources import sources


class NoSources(FailedPrecondition):
    """No source is set up that could be asked; see the setting ENRICHMENT_SOURCES."""


class Enrichments:
    async def EnrichLead(self, request: enrichments_pb2.EnrichLeadRequest, work: Work) -> Enriched:
        lead = await work.get(Lead, request.name, request.etag)
        lead.require(OPEN)
        if not sources():
            raise NoSources()
        heard = await enriching.hear(lead, sources(), work.context)
        if request.validate_only:
            known = await work.find_one(LeadEnrichment, id=lead.id) or LeadEnrichment.of(lead)
            proposals = known.propose(lead, heard.found)
            lead = copy(lead)
            apply(lead, proposals)
        else:
            enrichment = await work.get_or_add(LeadEnrichment.of(lead))
            proposals = enriching.take(lead, enrichment, heard, work)
            work.emit(enriching.settle(enrichment, proposals, heard, 1, work.now))
        errors = [EnrichmentError(source=name, error=why) for name, why in heard.errors.items()]
        return Enriched(lead=lead, proposals=proposals, errors=errors)

    async def GetLeadEnrichment(self, request: enrichments_pb2.GetLeadEnrichmentRequest, work: Work) -> LeadEnrichment:
        return await work.get(LeadEnrichment, request.name)

    async def ListLeadEnrichments(
        self, request: enrichments_pb2.ListLeadEnrichmentsRequest, work: Work
    ) -> Page[LeadEnrichment]:
        return await work.page(LeadEnrichment, request)
