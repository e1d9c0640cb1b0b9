"""A valid request for every public call. A new call without a recipe fails the matrix."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from chassis.values import new_id

NOBODY = "nobody@rosa.example"
CHANNEL, PAGE = "channels/known", "landingPages/known"
DAY = {"year": 2026, "month": 1, "day": 1}
EURO = {"currency_code": "EUR", "units": 5}
ACTIVITY = {"display_name": "Call", "due_time": {"seconds": 1_900_000_000}, "expected_outcome": "A visit"}
STAGES = [{"stage": "first", "display_name": "First", "probability": 0.5}]


@dataclass(frozen=True)
class Cell:
    """One try: who, and what it is about."""

    person: str
    owner: str  # of the record at this place
    account: str  # at this place


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


RECIPES: dict[str, Recipe] = {
    # leads
    "CreateLead": to_owner("lead"),
    "GetLead": target("lead"),
    "ListLeads": nothing(),
    "ExportLeads": nothing(),
    "UpdateLead": changed("lead", "lead"),
    "ArchiveLead": target("lead"),
    "RestoreLead": target("archived lead"),
    "ImportLeads": nothing(leads=[{"display_name": "李"}]),
    "AssignLead": Recipe("target", "lead", lambda cell: {"owner": cell.person}),
    "LogCall": target("lead", outcome="REACHED"),
    "QualifyLead": target("lead"),
    "DisqualifyLead": target("lead", reason="no_budget"),
    "ConvertLead": target("qualified lead"),
    "GetLeadSettings": nothing(),
    "UpdateLeadSettings": nothing(lead_settings={"qualification_checklist": ["OWNER"]}),
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
