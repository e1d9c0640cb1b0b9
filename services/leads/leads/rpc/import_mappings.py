"""Calls about what the columns of files are."""

from chassis.convert import from_message, to_message
from chassis.values import slug
from chassis.work import Page, Work
from crm.leads.v1 import import_mappings_pb2 as pb

from leads.domain.cells import DateOrder, likely_order
from leads.domain.import_mapping import (
    Column,
    LeadImportMapping,
    LeadImportMappingCreated,
    LeadImportMappingUpdated,
)
from leads.domain.import_vocabulary import KEY, understood
from leads.domain.lead import Lead


class ImportMappings:
    async def CreateLeadImportMapping(
        self, request: pb.CreateLeadImportMappingRequest, work: Work
    ) -> LeadImportMapping:
        given = request.lead_import_mapping
        key = request.lead_import_mapping_id or slug(given.display_name)
        mapping = from_message(given, LeadImportMapping, id=key)
        mapping.check(work.context.custom_fields.of(Lead.collection))
        work.emit(LeadImportMappingCreated(lead_import_mapping=work.add(mapping), event_time=work.now))
        return mapping

    async def GetLeadImportMapping(self, request: pb.GetLeadImportMappingRequest, work: Work) -> LeadImportMapping:
        return await work.get(LeadImportMapping, request.name)

    async def ListLeadImportMappings(
        self, request: pb.ListLeadImportMappingsRequest, work: Work
    ) -> Page[LeadImportMapping]:
        return await work.page(LeadImportMapping, request)

    async def UpdateLeadImportMapping(
        self, request: pb.UpdateLeadImportMappingRequest, work: Work
    ) -> LeadImportMapping:
        given = request.lead_import_mapping
        mapping = await work.get(LeadImportMapping, given.name, given.etag)
        changed = work.update(mapping, given, request.update_mask.paths, "lead_import_mapping")
        if changed:
            mapping.check(work.context.custom_fields.of(Lead.collection))
            event = LeadImportMappingUpdated(lead_import_mapping=mapping, fields=changed, event_time=work.now)
            work.emit(event)
        return mapping

    async def ArchiveLeadImportMapping(
        self, request: pb.ArchiveLeadImportMappingRequest, work: Work
    ) -> LeadImportMapping:
        mapping = await work.get(LeadImportMapping, request.name, request.etag)
        work.emit(mapping.archive(at=work.now))
        return mapping

    async def RestoreLeadImportMapping(
        self, request: pb.RestoreLeadImportMappingRequest, work: Work
    ) -> LeadImportMapping:
        mapping = await work.get(LeadImportMapping, request.name, request.etag)
        work.emit(mapping.restore(at=work.now))
        return mapping

    async def SuggestLeadImportMapping(
        self, request: pb.SuggestLeadImportMappingRequest, work: Work
    ) -> pb.SuggestLeadImportMappingResponse:
        found = understood(request.columns, work.context.custom_fields.of(Lead.collection))
        columns = [Column(column=column, field=field) for column, field in found.items() if field != KEY]
        suggested = LeadImportMapping(
            display_name="",
            columns=columns,
            key_column=next((column for column, field in found.items() if field == KEY), ""),
            date_order=_order(request, columns),
        )
        shown = to_message(suggested, pb.LeadImportMapping)
        for name in ("name", "etag"):
            shown.ClearField(name)
        unknown = [column for column in request.columns if column not in found]
        return pb.SuggestLeadImportMappingResponse(lead_import_mapping=shown, unknown_columns=unknown)


def _order(request: pb.SuggestLeadImportMappingRequest, columns: list[Column]) -> DateOrder:
    """By the cells of the columns that are read."""
    return likely_order(row.cells[one.column] for row in request.rows for one in columns if one.column in row.cells)
