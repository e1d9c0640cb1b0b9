"""Calls about imports: of rows as a file has them, and to take one back."""

from collections.abc import Mapping

from chassis.custom_values import Definition
from chassis.errors import InvalidFields, RecordNotFound
from chassis.operations import begin
from chassis.spreadsheet import unguarded
from chassis.work import Work
from crm.leads.v1 import imports_pb2, leads_pb2
from google.protobuf.json_format import ParseDict, ParseError

from leads import importing
from leads.domain.import_mapping import LeadImportMapping, LeadImportMappingArchivedAlready
from leads.domain.lead import Lead
from leads.domain.operation import LeadOperation
from leads.reverting import REVERT, rows_behind


class Imports:
    async def ImportLeadRows(
        self, request: imports_pb2.ImportLeadRowsRequest, work: Work
    ) -> leads_pb2.ImportLeadsResponse:
        mapping = await work.get(LeadImportMapping, request.mapping)
        if mapping.archive_time:
            raise LeadImportMappingArchivedAlready(name=mapping.name)
        return await importing.import_rows([_lead(mapping, row.cells, work) for row in request.rows], request, work)

    async def RevertLeadImport(self, request: imports_pb2.RevertLeadImportRequest, work: Work) -> LeadOperation:
        if not await rows_behind(request.import_id, "", 1, work):
            raise RecordNotFound(import_id=request.import_id)
        return await begin(LeadOperation, REVERT, {"import_id": request.import_id}, work)


def _lead(mapping: LeadImportMapping, cells: Mapping[str, str], work: Work) -> leads_pb2.Lead | str:
    """The lead of a row, or why it is none."""
    try:
        found = mapping.read({name: unguarded(cell) for name, cell in cells.items()}, _own(work))
        return ParseDict(found, leads_pb2.Lead())
    except InvalidFields as wrong:
        return "; ".join(f"{column}: {said}" for column, said in wrong.violations)
    except ParseError as wrong:
        return str(wrong)


def _own(work: Work) -> Mapping[str, Definition]:
    return work.context.custom_fields.of(Lead.collection)
