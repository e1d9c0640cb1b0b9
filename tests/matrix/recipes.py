"""A valid request for every public call. A new call without a recipe fails the matrix."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from chassis.values import new_id
from leads.domain.own_data import hash_of

NOBODY = "nobody@rosa.example"
CHANNEL, PAGE = "channels/known", "landingPages/known"
MATERIAL, TOKEN, DOCUMENT = "materials/known", "knowntoken", "https://rosa.example/oven.pdf"
POLICY = f"assignmentPolicies/{new_id()}"
IMPORT, MAPPING = new_id(), "leadImportMappings/known"
COLUMNS = [{"column": "姓名", "field": "display_name"}]
CHAMPION, CHALLENGER = f"scoringModels/{new_id()}", f"scoringModels/{new_id()}"
DAY = {"year": 2026, "month": 1, "day": 1}
EURO = {"currency_code": "EUR", "units": 5}
ACTIVITY = {"display_name": "Call", "due_time": {"seconds": 1_900_000_000}, "expected_outcome": "A visit"}
BULGARIA = {"countries": ["BG"]}
NEW_LEADS = "state = NEW"
CALL, CADENCE = {"kind": "CALL"}, "cadences/known"
CALL_LIST = f"callLists/{new_id()}"
LEAVE = {"start_date": DAY, "end_date": DAY}
STAGES = [{"stage": "first", "display_name": "First", "probability": 0.5}]


@dataclass(frozen=True)
class Cell:
    """One try: who, and what it is about."""

    person: str
    owner: str  # of the record at this place
    account: str  # at this place
    name: str = ""  # of the record
    beside: Callable[..., str] = lambda kind, **given: ""  # stores another one of a kind there; its name


@dataclass(frozen=True)
class Recipe:
    """How a call is asked: `how` it is about a record (see expected.outcome), of which `kind`, and the request's other
    fields."""

    how: str
    kind: str = ""
    fields: Callable[[Cell], Mapping[str, Any]] = lambda cell: {}


def target(kind: str, **fields: Any) -> Recipe:
    return Recipe("target", kind, lambda cell: fields)


def catalogue(kind: str, **fields: Any) -> Recipe:
    return Recipe("catalogue", kind, lambda cell: fields)


def nothing(**fields: Any) -> Recipe:
    return Recipe("nothing", "", lambda cell: fields)


def changed(kind: str, resource: str, **fields: Any) -> Recipe:
    """An update: the name is put in by whoever asks."""
    return target(kind, **{resource: {"display_name": "Changed"} | fields})


def named(resource: str, **fields: Any) -> Recipe:
    """A new one with a name that no other has."""
    return Recipe("nothing", "", lambda cell: {resource: {"display_name": new_id()} | fields})


def for_account(resource: str, **fields: Any) -> Recipe:
    return Recipe("account", "account", lambda cell: {resource: {"account": cell.account} | fields})


def to_owner(resource: str) -> Recipe:
    return Recipe("owner", "", lambda cell: {resource: {"display_name": "Нов", "owner": cell.owner}})


def renamed(kind: str, resource: str, **fields: Any) -> Recipe:
    return catalogue(kind, **{resource: {"display_name": "Changed"} | fields})


def a_field() -> dict[str, str]:
    """A field that nobody defined yet. The matrix makes some dozens, of a resource that has room for a hundred."""
    slug = f"f{new_id().replace('-', '')}"
    return {"display_name": "Any", "resource": "OPPORTUNITY", "slug": slug, "type": "STRING"}


def _shared(cell: Cell) -> dict[str, Any]:
    """The lead at this place has a link to its person's own data."""
    cell.beside("own data link", id=cell.name.partition("/")[2], lead=cell.name, token_hash=new_id())
    return {}


def _with_its_token(cell: Cell) -> dict[str, Any]:
    """There is a lead of whose person somebody has the link."""
    token, lead = new_id(), cell.beside("lead")
    cell.beside("own data link", id=lead.partition("/")[2], lead=lead, token_hash=hash_of(token))
    return {"token": token}


def _pair(cell: Cell) -> str:
    """The record at this place and another one there may be one."""
    return cell.beside("duplicate candidate", lead=cell.beside("lead"), other=cell.name)


def _given(cell: Cell) -> str:
    """The lead at this place, in a list, given to whoever asks."""
    return cell.beside("call list entry", lead=cell.name, caller=cell.person)


RECIPES: dict[str, Recipe] = {
    # leads
    "CreateLead": to_owner("lead"),
    "GetLead": target("lead"),
    "ListLeads": nothing(),
    "ExportLeads": nothing(),
    "UpdateLead": changed("lead", "lead"),
    "ArchiveLead": target("lead"),
    "RestoreLead": target("archived lead"),
    "WatchLeads": nothing(),
    "RevertLeadImport": nothing(import_id=IMPORT),
    "ImportLeads": nothing(leads=[{"display_name": "李"}]),
    "AssignLead": Recipe("target", "lead", lambda cell: {"owner": cell.person}),
    "AcceptLead": target("assigned lead"),
    "RejectLead": target("assigned lead", reason="wrong_region"),
    "RecycleLead": target("assigned lead"),
    "LogCall": target("lead", outcome="REACHED"),
    "QualifyLead": target("lead"),
    "DisqualifyLead": target("lead", reason="no_budget"),
    "ReopenLead": target("disqualified lead", note="They called"),
    "NurtureLead": target("lead", nurture_until={"seconds": 1_900_000_000}),
    "WakeLead": target("nurtured lead"),
    "ConvertLead": target("qualified lead"),
    "PreviewConversion": target("qualified lead"),
    "UndoConversion": target("converted lead"),
    "GetLeadSettings": nothing(),
    "UpdateLeadSettings": nothing(lead_settings={"qualification_checklist": ["OWNER"]}),
    "LogInteraction": Recipe("target", "lead", lambda cell: {"kind": "EMAIL"}),
    "GetInteraction": target("interaction"),
    "ListInteractions": nothing(),
    "CreateLeadSegment": named("lead_segment", filter=NEW_LEADS),
    "GetLeadSegment": catalogue("lead segment"),
    "ListLeadSegments": nothing(),
    "UpdateLeadSegment": renamed("lead segment", "lead_segment"),
    "ArchiveLeadSegment": catalogue("lead segment"),
    "RestoreLeadSegment": catalogue("archived lead segment"),
    "GetLeadSegmentSize": catalogue("lead segment"),
    "ListSegmentLeads": catalogue("lead segment"),
    "CreateLeadImportMapping": named("lead_import_mapping", columns=COLUMNS),
    "GetLeadImportMapping": catalogue("import mapping"),
    "ListLeadImportMappings": nothing(),
    "UpdateLeadImportMapping": renamed("import mapping", "lead_import_mapping"),
    "ArchiveLeadImportMapping": catalogue("import mapping"),
    "RestoreLeadImportMapping": catalogue("archived import mapping"),
    "SuggestLeadImportMapping": nothing(columns=["姓名"]),
    "ImportLeadRows": nothing(mapping=MAPPING, rows=[{"cells": {"姓名": "李"}}]),
    "CreateLeadBulkEdit": nothing(lead_bulk_edit={"filter": NEW_LEADS, "lead": {"note": "x"}}),
    "GetLeadBulkEdit": target("bulk edit"),
    "ListLeadBulkEdits": nothing(),
    "ListLeadBulkEditItems": target("bulk edit"),
    "StartLeadBulkEdit": target("bulk edit", etag="1"),
    "UndoLeadBulkEdit": target("started bulk edit"),
    "CreateCadence": named("cadence", steps=[CALL]),
    "GetCadence": catalogue("cadence"),
    "ListCadences": nothing(),
    "UpdateCadence": renamed("cadence", "cadence"),
    "ArchiveCadence": catalogue("cadence"),
    "RestoreCadence": catalogue("archived cadence"),
    "EnrolLead": target("assigned lead", cadence=CADENCE),
    "GetCadenceEnrolment": target("cadence enrolment"),
    "ListCadenceEnrolments": nothing(),
    "StopCadence": target("cadence enrolment"),
    "CreateCallList": named("call_list"),
    "GetCallList": catalogue("call list"),
    "ListCallLists": nothing(),
    "UpdateCallList": renamed("call list", "call_list"),
    "PauseCallList": catalogue("call list"),
    "ResumeCallList": catalogue("paused call list"),
    "CloseCallList": catalogue("call list"),
    "FillCallList": catalogue("call list", filter='channel = "channels/none"'),
    "NextCall": catalogue("call list"),
    "GetCallListProgress": catalogue("call list"),
    "RecordCall": Recipe("target", "lead", lambda cell: {"name": _given(cell), "disposition": "BUSY"}),
    "ReleaseCall": Recipe("target", "lead", lambda cell: {"name": _given(cell)}),
    "GetCallListEntry": target("call list entry"),
    "ListCallListEntries": nothing(),
    "GetContactSettings": nothing(),
    "UpdateContactSettings": nothing(contact_settings={"at_least_every_days": 30}),
    "ListNextLeads": nothing(),
    "FindDuplicates": target("lead"),
    "StartLeadExport": nothing(),
    "GetLeadReport": nothing(),
    "GetLeadQualityReport": nothing(),
    "ExportLeadReport": nothing(),
    "GetLeadOperation": target("lead operation"),
    "ListLeadOperations": nothing(),
    "CancelLeadOperation": target("lead operation"),
    "DownloadLeadOperation": target("lead operation"),
    "ReviewDuplicates": nothing(),
    "DismissDuplicate": Recipe("target", "lead", lambda cell: {"name": _pair(cell)}),
    "AcceptDuplicate": Recipe("target", "lead", lambda cell: {"name": _pair(cell)}),
    "GetMatchSettings": nothing(),
    "UpdateMatchSettings": nothing(match_settings={"certain": 12}),
    "PreviewMerge": Recipe("target", "lead", lambda cell: {"merged": [{"name": cell.beside("lead")}]}),
    "MergeLeads": Recipe("target", "lead", lambda cell: {"merged": [{"name": cell.beside("lead")}]}),
    "UndoMerge": Recipe("target", "lead", lambda cell: {"name": cell.beside("lead merge", lead=cell.name) and ""}),
    "ExplainMerge": target("lead"),
    "ListNotifications": nothing(),
    "MarkNotificationRead": target("notification"),
    "GetNotificationPreferences": target("notification preferences"),
    "UpdateNotificationPreferences": target("notification preferences", notification_preferences={"language": "bg"}),
    "EnrichLead": target("lead", validate_only=True),
    "GetLeadEnrichment": target("lead enrichment"),
    "ListLeadEnrichments": nothing(),
    "ShareOwnData": target("lead"),
    "WithdrawOwnData": Recipe("target", "lead", _shared),
    "GetOwnDataLink": target("own data link"),
    "GetOwnData": Recipe("nothing", "", _with_its_token),
    "UpdateOwnData": Recipe("nothing", "", lambda cell: {"own_data": {"region": "Faro"}} | _with_its_token(cell)),
    "ListProspectSources": nothing(),
    "CreateProspectSearch": named("prospect_search", source="none", criteria=BULGARIA),
    "GetProspectSearch": target("prospect search"),
    "ListProspectSearches": nothing(),
    "UpdateProspectSearch": changed("prospect search", "prospect_search"),
    "ArchiveProspectSearch": target("prospect search"),
    "RestoreProspectSearch": target("archived prospect search"),
    "RunProspectSearch": target("prospect search"),
    "GetProspect": target("prospect"),
    "ListProspects": nothing(),
    "AcceptProspects": nothing(names=[f"prospects/{new_id()}"]),
    "DismissProspects": nothing(names=[f"prospects/{new_id()}"]),
    "GetNotificationDelivery": target("notification delivery"),
    "ListNotificationDeliveries": nothing(),
    "RetryNotificationDelivery": target("notification delivery"),
    "GetResponseSettings": nothing(),
    "UpdateResponseSettings": nothing(response_settings={"targets": []}, update_mask={"paths": ["targets"]}),
    "GetLeadResponse": target("lead response"),
    "ListLeadResponses": nothing(),
    "GetResponseReport": nothing(),
    "GetNurtureSettings": nothing(),
    "UpdateNurtureSettings": nothing(nurture_settings={"paths": [{"path": "all", "days": 30}]}),
    "SimulateNurtureSettings": nothing(),
    "GetNurtureReport": nothing(),
    "ExplainNurture": target("lead"),
    "GetScoreSettings": nothing(),
    "UpdateScoreSettings": nothing(score_settings={"rules": [{"rule": "all", "points": 5}]}),
    "CheckScoreSettings": nothing(score_settings={}),
    "GetLeadScore": target("lead score"),
    "RankLeads": nothing(),
    "OverrideScore": target("lead", score=50),
    "ExplainScore": target("lead"),
    "RecommendApproach": target("lead"),
    "CreateScoringModel": named("scoring_model"),
    "GetScoringModel": catalogue("scoring model"),
    "ListScoringModels": nothing(),
    "PromoteScoringModel": nothing(name=CHAMPION),
    "ShadowScoringModel": nothing(name=CHALLENGER),
    "RetireScoringModel": catalogue("scoring model"),
    "GetScoringDrift": nothing(name=CHAMPION),
    "CreateAssignmentPolicy": named("assignment_policy", rules=[{"rule": "all", "people": ["users/ana"]}]),
    "GetAssignmentPolicy": catalogue("assignment policy"),
    "ListAssignmentPolicies": nothing(),
    "ActivateAssignmentPolicy": catalogue("assignment policy"),
    "DeactivateAssignmentPolicy": catalogue("active assignment policy"),
    "SimulateAssignmentPolicy": catalogue("assignment policy"),
    "GetAssignee": catalogue("assignee"),
    "ListAssignees": nothing(),
    "UpdateAssignee": catalogue("assignee", assignee={"daily_capacity": 5}),
    "ExplainAssignment": target("lead"),
    "RunAssignment": nothing(filter='channel = "channels/none"', policy=POLICY, validate_only=True),
    "HandOverLeads": nothing(from_person="users/none", policy=POLICY, validate_only=True),
    "GetAssignmentRun": target("assignment run"),
    "ListAssignmentRuns": nothing(),
    "CancelAssignmentRun": target("assignment run"),
    "CaptureLead": nothing(quick_entry={"text": "Ана Петрова"}),
    "GetCapture": target("capture"),
    "ListCaptures": nothing(),
    "RepairCapture": target("capture", fields={"display_name": "Ана"}),
    "RetryCapture": target("capture"),
    # sales
    "CreateAccount": to_owner("account"),
    "GetAccount": target("account"),
    "ListAccounts": nothing(),
    "ExportAccounts": nothing(),
    "UpdateAccount": changed("account", "account"),
    "ArchiveAccount": target("account"),
    "RestoreAccount": target("archived account"),
    "CreateContact": for_account("contact", display_name="Ана"),
    "GetContact": target("contact"),
    "ListContacts": nothing(),
    "ExportContacts": nothing(),
    "UpdateContact": changed("contact", "contact"),
    "ArchiveContact": target("contact"),
    "RestoreContact": target("archived contact"),
    "CreateOpportunity": for_account("opportunity", display_name="Deal"),
    "GetOpportunity": target("opportunity"),
    "ListOpportunities": nothing(),
    "ExportOpportunities": nothing(),
    "UpdateOpportunity": changed("opportunity", "opportunity"),
    "ArchiveOpportunity": target("opportunity"),
    "RestoreOpportunity": target("archived opportunity"),
    "AdvanceOpportunity": target("opportunity", stage="proposal"),
    "WinOpportunity": target("opportunity"),
    "LoseOpportunity": target("opportunity", reason="price"),
    "CreatePipeline": named("pipeline", stages=STAGES),
    "GetPipeline": catalogue("pipeline"),
    "GetPipelineSummary": catalogue("pipeline"),
    "ListPipelines": nothing(),
    "UpdatePipeline": renamed("pipeline", "pipeline", stages=STAGES),
    "RecordOrder": Recipe(
        "account",
        "account",
        lambda cell: {
            "order": {"account": cell.account, "system": "erp", "order_number": new_id(), "amount": EURO},
        },
    ),
    "GetOrder": target("order"),
    "ListOrders": nothing(),
    "CreateActivity": Recipe("account", "account", lambda cell: {"activity": ACTIVITY | {"subject": cell.account}}),
    "GetActivity": target("activity"),
    "ListActivities": nothing(),
    "UpdateActivity": changed("activity", "activity"),
    "CompleteActivity": target("activity", outcome="Done"),
    "CancelActivity": target("activity"),
    # marketing
    "CreateChannel": named("channel"),
    "GetChannel": catalogue("channel"),
    "ListChannels": nothing(),
    "UpdateChannel": renamed("channel", "channel"),
    "CreateLandingPage": named("landing_page"),
    "GetLandingPage": catalogue("landing page"),
    "ListLandingPages": nothing(),
    "UpdateLandingPage": renamed("landing page", "landing_page"),
    "CreateMaterial": named("material", kind="DOCUMENT", url=DOCUMENT),
    "GetMaterial": catalogue("material"),
    "ListMaterials": nothing(),
    "UpdateMaterial": renamed("material", "material"),
    "ArchiveMaterial": catalogue("material"),
    "RestoreMaterial": catalogue("archived material"),
    "ShareMaterial": Recipe("nothing", "", lambda cell: {"name": MATERIAL}),
    "GetMaterialLink": target("material link"),
    "ListMaterialLinks": nothing(),
    "ArchiveMaterialLink": target("material link"),
    "ListMaterialPerformance": nothing(),
    "OpenMaterialLink": nothing(token=TOKEN),
    "CreateSpendEntry": nothing(spend_entry={"channel": CHANNEL, "spend_date": DAY, "amount": EURO}),
    "GetSpendEntry": catalogue("spend entry"),
    "ListSpendEntries": nothing(),
    "CreateTouch": nothing(touch={"channel": CHANNEL}),
    "BatchCreateTouches": nothing(touches=[{"channel": CHANNEL}]),
    "GetTouch": catalogue("touch"),
    "ListTouches": nothing(),
    "ListChannelPerformance": nothing(),
    "SuppressAddress": nothing(email=NOBODY, reason="MANUAL"),
    "CheckSuppressions": nothing(emails=[NOBODY]),
    "ListSuppressions": nothing(),
    "LiftSuppression": catalogue("suppression"),
    # service desk
    "OpenCase": for_account("case", display_name="Broken"),
    "GetCase": target("case"),
    "ListCases": nothing(),
    "ExportCases": nothing(),
    "UpdateCase": changed("case", "case"),
    "AssignCase": Recipe("target", "case", lambda cell: {"owner": cell.person}),
    "ResolveCase": target("case", solution="Turned it on"),
    "ReopenCase": target("resolved case", reason="Off again"),
    "CreateProductFeedback": for_account("product_feedback", product="oven", kind="WISH", text="A timer"),
    "GetProductFeedback": target("product feedback"),
    "ListProductFeedbacks": nothing(),
    "UpdateProductFeedback": changed("product feedback", "product_feedback"),
    "GetEntitlement": target("entitlement"),
    "ListEntitlements": nothing(),
    # contracts
    "CreateContractTemplate": named("contract_template", sections=[{"heading": "§1", "text": "{customer}"}]),
    "GetContractTemplate": catalogue("contract template"),
    "ListContractTemplates": nothing(),
    "UpdateContractTemplate": renamed("contract template", "contract_template"),
    "CreateContract": for_account("contract", display_name="Care"),
    "GetContract": target("active contract"),
    "ListContracts": nothing(),
    "ExportContracts": nothing(),
    "UpdateContract": changed("draft contract", "contract"),
    "SubmitContract": target("draft contract"),
    "ApproveContract": target("submitted contract"),
    "RejectContract": target("submitted contract", reason="Too long"),
    "ActivateContract": target("approved contract"),
    "GetContractPdf": target("active contract"),
    # directory
    "CreateUser": named("user"),
    "GetUser": catalogue("user"),
    "ListUsers": nothing(),
    "UpdateUser": renamed("user", "user"),
    "DeactivateUser": catalogue("user"),
    "ReactivateUser": catalogue("deactivated user"),
    "CreateServiceAccount": named("service_account"),
    "GetServiceAccount": catalogue("service account"),
    "ListServiceAccounts": nothing(),
    "UpdateServiceAccount": renamed("service account", "service_account"),
    "DeactivateServiceAccount": catalogue("service account"),
    "ReactivateServiceAccount": catalogue("deactivated service account"),
    "CreateTeam": named("team"),
    "GetTeam": catalogue("team"),
    "ListTeams": nothing(),
    "UpdateTeam": renamed("team", "team"),
    "CreateCalendar": named("calendar", time_zone="Europe/Sofia", versions=[{"valid_from": DAY}]),
    "GetCalendar": catalogue("calendar"),
    "ListCalendars": nothing(),
    "UpdateCalendar": renamed("calendar", "calendar"),
    "ArchiveCalendar": catalogue("calendar"),
    "RestoreCalendar": catalogue("archived calendar"),
    "PreviewCalendar": catalogue("calendar"),
    "CreateCustomField": Recipe("nothing", "", lambda cell: {"custom_field": a_field()}),
    "GetCustomField": catalogue("custom field"),
    "ListCustomFields": nothing(),
    "UpdateCustomField": renamed("custom field", "custom_field"),
    "ArchiveCustomField": catalogue("custom field"),
    "RestoreCustomField": catalogue("archived custom field"),
    "CreateAbsence": Recipe("owner", "", lambda cell: {"absence": {"owner": cell.owner} | LEAVE}),
    "GetAbsence": target("absence"),
    "ListAbsences": nothing(),
    "UpdateAbsence": target("absence", absence={"end_date": DAY | {"day": 2}}),
    "CancelAbsence": target("absence"),
    "CreateErasure": nothing(erasure={"person": {"ties": [new_id()]}}, validate_only=True),
    "GetErasure": catalogue("erasure"),
    "ListErasures": nothing(),
    "ReapplyErasure": catalogue("erasure"),
    "ExportPersonalData": nothing(emails=[NOBODY]),
    # insights
    "GetCustomer": target("customer"),
    "ListCustomers": nothing(),
    "ListTimeline": target("customer"),
    "ListJourneys": target("customer"),
    "GetChannelReport": nothing(),
}
