"""The calls leads answers: one class per resource, one method per call."""

from crm.leads.v1 import (
    approaches_pb2,
    assignment_pb2,
    bulk_edits_pb2,
    cadences_pb2,
    call_lists_pb2,
    captures_pb2,
    conversion_pb2,
    deliveries_pb2,
    duplicates_pb2,
    enrichments_pb2,
    import_mappings_pb2,
    imports_pb2,
    interactions_pb2,
    leads_pb2,
    merges_pb2,
    next_leads_pb2,
    notifications_pb2,
    nurture_pb2,
    operations_pb2,
    own_data_pb2,
    prospects_pb2,
    quality_pb2,
    responses_pb2,
    scores_pb2,
    scoring_models_pb2,
    segments_pb2,
    watch_pb2,
)

from leads.rpc.approaches import Approaches
from leads.rpc.assignees import Assignees
from leads.rpc.assignment import Assignment
from leads.rpc.assignment_policies import Policies
from leads.rpc.assignment_runs import Runs
from leads.rpc.bulk_edits import BulkEdits
from leads.rpc.cadences import Cadences
from leads.rpc.call_lists import CallLists
from leads.rpc.captures import Captures
from leads.rpc.conversions import Conversions
from leads.rpc.deliveries import Deliveries
from leads.rpc.duplicates import Duplicates
from leads.rpc.enrichments import Enrichments
from leads.rpc.import_mappings import ImportMappings
from leads.rpc.imports import Imports
from leads.rpc.interactions import Interactions
from leads.rpc.lead_scores import LeadScores
from leads.rpc.leads import Leads
from leads.rpc.life import Life
from leads.rpc.merges import Merges
from leads.rpc.next_leads import NextLeads
from leads.rpc.notifications import Notifications
from leads.rpc.nurture import Nurture
from leads.rpc.operations import Operations
from leads.rpc.own_data import OwnDataCalls
from leads.rpc.prospects import Prospects
from leads.rpc.quality import Quality
from leads.rpc.responses import Responses
from leads.rpc.score_settings import ScoreSettingsCalls
from leads.rpc.scoring_models import Models
from leads.rpc.segments import Segments
from leads.rpc.settings import Settings
from leads.rpc.watch import Watch


class LeadService(Leads, Assignment, Life, Settings):
    descriptor = leads_pb2.DESCRIPTOR.services_by_name["LeadService"]


class AssignmentService(Policies, Assignees, Runs):
    descriptor = assignment_pb2.DESCRIPTOR.services_by_name["AssignmentService"]


class CaptureService(Captures):
    descriptor = captures_pb2.DESCRIPTOR.services_by_name["CaptureService"]


class ConversionService(Conversions):
    descriptor = conversion_pb2.DESCRIPTOR.services_by_name["ConversionService"]


class LeadSegmentService(Segments):
    descriptor = segments_pb2.DESCRIPTOR.services_by_name["LeadSegmentService"]


class ResponseService(Responses):
    descriptor = responses_pb2.DESCRIPTOR.services_by_name["ResponseService"]


class InteractionService(Interactions):
    descriptor = interactions_pb2.DESCRIPTOR.services_by_name["InteractionService"]


class CadenceService(Cadences):
    descriptor = cadences_pb2.DESCRIPTOR.services_by_name["CadenceService"]


class CallListService(CallLists):
    descriptor = call_lists_pb2.DESCRIPTOR.services_by_name["CallListService"]


class NextLeadService(NextLeads):
    descriptor = next_leads_pb2.DESCRIPTOR.services_by_name["NextLeadService"]


class ApproachService(Approaches):
    descriptor = approaches_pb2.DESCRIPTOR.services_by_name["ApproachService"]


class NotificationService(Notifications):
    descriptor = notifications_pb2.DESCRIPTOR.services_by_name["NotificationService"]


class NurtureService(Nurture):
    descriptor = nurture_pb2.DESCRIPTOR.services_by_name["NurtureService"]


class DuplicateService(Duplicates):
    descriptor = duplicates_pb2.DESCRIPTOR.services_by_name["DuplicateService"]


class LeadOperationService(Operations):
    descriptor = operations_pb2.DESCRIPTOR.services_by_name["LeadOperationService"]


class ScoreService(ScoreSettingsCalls, LeadScores):
    descriptor = scores_pb2.DESCRIPTOR.services_by_name["ScoreService"]


class DeliveryService(Deliveries):
    descriptor = deliveries_pb2.DESCRIPTOR.services_by_name["DeliveryService"]


class WatchService(Watch):
    descriptor = watch_pb2.DESCRIPTOR.services_by_name["WatchService"]


class MergeService(Merges):
    descriptor = merges_pb2.DESCRIPTOR.services_by_name["MergeService"]


class OwnDataService(OwnDataCalls):
    descriptor = own_data_pb2.DESCRIPTOR.services_by_name["OwnDataService"]


class ScoringModelService(Models):
    descriptor = scoring_models_pb2.DESCRIPTOR.services_by_name["ScoringModelService"]


class LeadImportService(Imports):
    descriptor = imports_pb2.DESCRIPTOR.services_by_name["LeadImportService"]


class EnrichmentService(Enrichments):
    descriptor = enrichments_pb2.DESCRIPTOR.services_by_name["EnrichmentService"]


class LeadQualityService(Quality):
    descriptor = quality_pb2.DESCRIPTOR.services_by_name["LeadQualityService"]


class LeadBulkEditService(BulkEdits):
    descriptor = bulk_edits_pb2.DESCRIPTOR.services_by_name["LeadBulkEditService"]


class LeadImportMappingService(ImportMappings):
    descriptor = import_mappings_pb2.DESCRIPTOR.services_by_name["LeadImportMappingService"]


class ProspectService(Prospects):
    descriptor = prospects_pb2.DESCRIPTOR.services_by_name["ProspectService"]


SERVICES: tuple[type, ...] = (
    LeadService,
    AssignmentService,
    CaptureService,
    ConversionService,
    LeadSegmentService,
    ResponseService,
    InteractionService,
    CadenceService,
    CallListService,
    NextLeadService,
    ApproachService,
    DuplicateService,
    MergeService,
    NotificationService,
    NurtureService,
    LeadOperationService,
    ScoreService,
    DeliveryService,
    WatchService,
    LeadImportService,
    LeadImportMappingService,
    EnrichmentService,
    OwnDataService,
    ScoringModelService,
    LeadQualityService,
    LeadBulkEditService,
    ProspectService,
)
