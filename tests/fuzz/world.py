"""A good call for every operation: records in the state that a verb needs, made through the public API.

What is fuzzed without them hardly gets past validation; with them each operation is also changed in one place only.
"""

import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import Any

from crmctl.connection import Client, Refused

EUROS = {"currencyCode": "EUR", "units": "10", "nanos": 500_000_000}
KNOWN_SECONDS, NOT_YET = 30, "not known here (yet)"
TRAINING_SECONDS = 240  # beside the fuzzer
DAY = {"year": 2026, "month": 1, "day": 31}
COLUMNS = [{"column": "姓名", "field": "display_name"}]
LEAVE = {"startDate": DAY, "endDate": DAY}
TARGETS = [{"target": "all", "responseTime": {"seconds": 300}}]
LATER = "2030-01-02T03:04:05Z"


@dataclass
class Call:
    """One request: values of the path's variables by collection, query parameters, body."""

    names: list[str] = field(default_factory=list)
    query: dict[str, Any] = field(default_factory=dict)
    body: dict[str, Any] | None = None


def fresh(text: str = "Fuzzed") -> str:
    return f"{text} {uuid.uuid4().hex[:12]}"


def _wait(ask: Callable[[], dict[str, Any]], too_early: Callable[[Refused], bool]) -> dict[str, Any]:
    """The answer, once services have heard of what it is about."""
    until = time.monotonic() + KNOWN_SECONDS
    while True:
        try:
            return ask()
        except Refused as refused:
            if not too_early(refused) or time.monotonic() > until:
                raise
        time.sleep(0.1)


class World:
    """Makes records as an administrator; each is new, so that no state was used up before."""

    def __init__(self, client: Client) -> None:
        self._client = client
        # The administrator writes contracts; somebody else has to approve them.
        self._approver = client.acting_as(self.made("users", displayName=fresh(), roles=["administrator"]))
        _wait(lambda: self._approver.get("/v1/contracts"), lambda refused: refused.status == 401)

    def made(self, collection: str, **body: Any) -> str:
        """A new record. What it refers to may be so new that another service has yet to hear of it."""
        made = _wait(lambda: self._client.post(f"/v1/{collection}", body), lambda refused: NOT_YET in str(refused))
        return made["name"]

    def after(self, name: str, *verbs: str, **body: Any) -> str:
        """The record after some verbs, of which the last takes `body`."""
        for verb in verbs:
            self._client.post(f"/v1/{name}:{verb}", body if verb == verbs[-1] else {})
        return name

    # ---- records, one function each

    def account(self) -> str:
        return self.made("accounts", displayName=fresh())

    def known_account(self) -> str:
        """An account that contracts and the service desk have heard of: they have a record about it."""
        account = self.account()
        self.made("contracts", displayName=fresh(), account=account)
        self.made("cases", displayName=fresh(), account=account)
        return account

    def contact(self) -> str:
        return self.made("contacts", displayName=fresh(), account=self.account())

    def lead(self, **more: str) -> str:
        """One that meets every checklist: the fuzzer changes the company's."""
        given = {"company": "Rosa", "email": "rosa@example.org", "phone": "+351211234567", "note": "wants an oven"}
        return self.made("leads", displayName=fresh(), owner="users/admin", **(given | more))

    def deal(self) -> str:
        return self.made("opportunities", displayName=fresh(), account=self.account())

    def activity(self) -> str:
        about = {"subject": self.account(), "dueTime": LATER, "expectedOutcome": "An answer"}
        return self.made("activities", displayName=fresh(), **about)

    def order(self) -> str:
        return self.made("orders", account=self.account(), system="sap", orderNumber=uuid.uuid4().hex, amount=EUROS)

    def case(self) -> str:
        return self.made("cases", displayName=fresh(), account=self.account())

    def product_feedback(self) -> str:
        return self.made("productFeedbacks", **self.wish())

    def wish(self) -> dict[str, Any]:
        return {"displayName": fresh(), "product": "oven", "kind": "WISH", "text": "A timer"}

    def contract(self) -> str:
        return self.made("contracts", displayName=fresh(), account=self.account())

    def submitted(self) -> str:
        return self.after(self.contract(), "submit")

    def approved(self) -> str:
        name = self.submitted()
        self._approver.post(f"/v1/{name}:approve", {})
        return name

    def submitted_by_another(self) -> str:
        """A contract that the administrator had no hand in."""
        account = self.known_account()
        name = self._approver.post("/v1/contracts", {"displayName": fresh(), "account": account})["name"]
        self._approver.post(f"/v1/{name}:submit", {})
        return name

    def template(self) -> str:
        return self.made("contractTemplates", displayName=fresh(), sections=[{"text": "For {customer}."}])

    def user(self) -> str:
        return self.made("users", displayName=fresh())

    def service_account(self) -> str:
        return self.made("serviceAccounts", displayName=fresh())

    def team(self) -> str:
        return self.made("teams", displayName=fresh())

    def channel(self) -> str:
        return self.made("channels", displayName=fresh())

    def landing_page(self) -> str:
        return self.made("landingPages", displayName=fresh())

    def material(self) -> str:
        return self.made("materials", displayName=fresh(), **self.document())

    def document(self) -> dict[str, Any]:
        return {"kind": "DOCUMENT", "url": "https://rosa.example/oven.pdf"}

    def material_link(self) -> str:
        return str(self._client.post(f"/v1/{self.material()}:share", {})["name"])

    def own_data(self) -> str:
        """By the link of a lead, which is told once."""
        return f"ownData/{self._client.post(f'/v1/{self.lead()}:shareOwnData', {})['token']}"

    def own_data_link(self) -> str:
        return self.after(self.lead(), "shareOwnData").replace("leads/", "ownDataLinks/")

    def pipeline(self) -> str:
        return self.made("pipelines", displayName=fresh(), stages=self.stages())

    def spend(self) -> str:
        return self.made("spendEntries", **self.spending())

    def touch(self) -> str:
        return self.made("touches", channel=self.channel())

    def entitlement(self) -> str:
        found = self._client.get("/v1/entitlements", pageSize=1)["entitlements"]
        return found[0]["name"]

    def customer(self) -> str:
        return self._client.get("/v1/customers", pageSize=1)["customers"][0]["name"]

    def policy(self) -> str:
        return self.made("assignmentPolicies", displayName=fresh(), **self.rules())

    def assignee(self) -> str:
        """Somebody whom leads has heard of."""
        name = self.user().replace("users/", "assignees/")
        _wait(lambda: self._client.get(f"/v1/{name}"), lambda refused: refused.status == 404)
        return name

    def assignment_run(self) -> str:
        asked = {"fromPerson": self.user(), "policy": self.policy()}
        return self._client.post("/v1/leads:handOver", asked)["name"]

    def refused_capture(self) -> str:
        return self.made("captures", chat={"lines": [{"byVisitor": True, "text": "Hello"}]})

    def duplicate_candidate(self) -> str:
        """Two leads that are the same in all that is compared: of the many pairs here, they are among the first."""
        same = {"displayName": "Ана Петрова", "company": "Роза ООД", "phone": "+359 88 123 4567"}
        same["email"] = f"{uuid.uuid4().hex}@example.org"
        made = {self.made("leads", **same) for _ in range(2)}
        until = time.monotonic() + KNOWN_SECONDS
        while time.monotonic() < until:
            for pair in self._client.get("/v1/leads:reviewDuplicates", pageSize=100)["pairs"]:
                if {pair["lead"]["name"], pair["duplicate"]["lead"]["name"]} == made:
                    return str(pair["candidate"])
            time.sleep(0.1)
        raise AssertionError(f"{made} were not found to be one")

    # ---- parts

    def rules(self) -> dict[str, Any]:
        return {"rules": [{"rule": "all", "people": ["users/admin"]}]}

    def suppression(self) -> str:
        return self.made("suppressions", email=f"{uuid.uuid4().hex}@example.org", reason="MANUAL")

    def address(self) -> str:
        """An e-mail address that somebody has."""
        email = f"{uuid.uuid4().hex}@example.org"
        self.made("leads", displayName=fresh(), email=email)
        return email

    def calendar(self) -> str:
        return self.made("calendars", displayName=fresh(), **self.hours())

    def hours(self) -> dict[str, Any]:
        weekly = [{"days": ["MONDAY", "SATURDAY"], "start": "22:00", "end": "06:00"}]
        return {"timeZone": "Europe/Sofia", "versions": [{"validFrom": DAY, "weekly": weekly}]}

    def custom_field(self) -> str:
        return self.made("customFields", **self.field())

    def field(self) -> dict[str, Any]:
        """Of deals: leads and accounts are made by many, and have a hundred at most."""
        slug = f"f{uuid.uuid4().hex}"
        return {"displayName": fresh(), "resource": "OPPORTUNITY", "slug": slug, "type": "INTEGER"}

    def lead_response(self) -> str:
        """The clock of a new lead."""
        self._client.patch("/v1/responseSettings", {"targets": TARGETS})
        lead, until = self.lead(), time.monotonic() + KNOWN_SECONDS
        while time.monotonic() < until:
            found = self._client.get("/v1/leadResponses", filter=f'lead = "{lead}"')["leadResponses"]
            if found:
                return str(found[0]["name"])
            time.sleep(0.1)
        raise AssertionError(f"{lead} has no clock")

    def lead_score(self) -> str:
        """Of a lead that somebody gave one."""
        lead = self.lead()
        return str(self._client.post(f"/v1/{lead}:overrideScore", {"score": 50, "expireTime": soon()})["name"])

    def segment(self) -> str:
        return self.made("leadSegments", displayName=fresh(), filter="state = NEW")

    def import_mapping(self) -> str:
        return self.made("leadImportMappings", displayName=fresh(), columns=COLUMNS)

    def scoring_model(self) -> str:
        """One that is only just being trained."""
        return self.made("scoringModels", displayName=fresh())

    @cached_property
    def trained_models(self) -> list[str]:
        """Two that were trained on enough closed leads."""
        for number in range(70):
            lead = self.lead(channel=f"channels/c-{number % 3}")
            if number < 20:
                self.after(self.after(lead, "logCall", outcome="REACHED"), "qualify", "convert")
            else:
                self.after(lead, "disqualify", reason="no_budget")
        return [self._trained(), self._trained()]

    def _trained(self) -> str:
        name, until = self.scoring_model(), time.monotonic() + TRAINING_SECONDS
        while self._client.get(f"/v1/{name}")["state"] == "TRAINING" and time.monotonic() < until:
            time.sleep(0.5)
        return name

    def cadence(self) -> str:
        return self.made("cadences", displayName=fresh(), steps=[{"kind": "CALL"}])

    def call_list(self) -> str:
        return self.made("callLists", displayName=fresh())

    def call_entry(self) -> str:
        """A lead that the administrator was given to call."""
        call_list, until = self.call_list(), time.monotonic() + KNOWN_SECONDS
        self._client.post(
            f"/v1/{call_list}:fill", {"leads": [self.lead(phone=f"+351211{uuid.uuid4().int % 10**6:06}")]}
        )
        while time.monotonic() < until:
            if found := self._client.post(f"/v1/{call_list}:next", {}).get("entry"):
                return str(found["name"])
            time.sleep(0.1)
        raise AssertionError(f"nobody is to be called by {call_list}")

    def enrolment(self) -> str:
        return str(self._client.post(f"/v1/{self.lead()}:enrol", {"cadence": self.cadence()})["name"])

    def notification(self) -> str:
        return self.told("notifications")

    def delivery(self) -> str:
        return self.told("notificationDeliveries", "state = FAILED AND ")

    def told(self, collection: str, also: str = "") -> str:
        """What came of a lead that was given to somebody else than the administrator who made it."""
        person, lead = self.user(), self.lead()
        give = lambda: self._client.post(f"/v1/{lead}:assign", {"owner": person})  # noqa: E731 - asked until it works
        _wait(give, lambda refused: "is not an active" in str(refused))
        until = time.monotonic() + KNOWN_SECONDS
        while time.monotonic() < until:
            found = self._client.get(f"/v1/{collection}", filter=f'{also}lead = "{lead}"')[collection]
            if found:
                return str(found[0]["name"])
            time.sleep(0.1)
        raise AssertionError(f"nobody was told of {lead}")

    def lead_operation(self) -> str:
        """An export that has ended."""
        return self.ended(self._client.post("/v1/leads:startExport", {})["name"])

    def ended(self, operation: str) -> str:
        until = time.monotonic() + KNOWN_SECONDS
        while self._client.get(f"/v1/{operation}")["state"] == "RUNNING" and time.monotonic() < until:
            time.sleep(0.1)
        return operation

    def bulk_edit(self) -> str:
        """One whose preview is whole."""
        made = self._client.post("/v1/leadBulkEdits", {"leads": [self.lead()], "lead": {"note": fresh()}})
        self.ended(made["previewOperation"])
        self.seen_etag = self._client.get(f"/v1/{made['name']}")["etag"]
        return str(made["name"])

    def started_bulk_edit(self) -> str:
        """One that has made its change."""
        name = self.bulk_edit()
        self.ended(self._client.post(f"/v1/{name}:start", {"etag": self.seen_etag})["operation"])
        return name

    def lead_import(self) -> str:
        """The id of an import that created a lead."""
        import_id = str(uuid.uuid4())
        self._client.post("/v1/leads:import", {"leads": [{"displayName": fresh()}], "importId": import_id})
        return import_id

    def preferences(self) -> str:
        """Of somebody whom leads has heard of."""
        return self.assignee().replace("assignees/", "notificationPreferences/")

    def enrichment(self) -> str:
        """Of a lead whose source was asked in vain."""
        return self.after(self.lead(), "enrich").replace("leads/", "leadEnrichments/")

    def prospect_search(self) -> str:
        return self.made("prospectSearches", displayName=fresh(), source="none", criteria={"countries": ["BG"]})

    def prospect(self) -> str:
        """What a search of its own found."""
        search = self.prospect_search()
        self.ended(self._client.post(f"/v1/{search}:run", {})["name"])
        found = self._client.get("/v1/prospects", filter=f'prospect_search = "{search}"')["prospects"]
        return str(found[0]["name"])

    def interaction(self) -> str:
        return str(self._client.post(f"/v1/{self.lead()}:logInteraction", {"kind": "VISIT"})["name"])

    def absence(self) -> str:
        return self.made("absences", **LEAVE)

    def erasure(self) -> str:
        """One that has ended."""
        name = self.made("erasures", emails=[self.address()])
        until = time.monotonic() + KNOWN_SECONDS
        while self._client.get(f"/v1/{name}")["state"] == "RUNNING" and time.monotonic() < until:
            time.sleep(0.1)
        return name

    def stages(self) -> list[dict[str, Any]]:
        return [{"stage": "first", "probability": 0.1}, {"stage": "second", "probability": 0.5}]

    def spending(self) -> dict[str, Any]:
        return {"channel": self.channel(), "spendDate": {"year": 2026, "month": 1, "day": 31}, "amount": EUROS}

    def next_stage(self) -> str:
        return "proposal"


# The record whose name stands in the path, by collection.
IN_PATH: dict[str, Callable[[World], str]] = {
    "accounts": World.account, "contacts": World.contact, "leads": World.lead, "opportunities": World.deal,
    "activities": World.activity, "orders": World.order, "cases": World.case, "contracts": World.contract,
    "contractTemplates": World.template, "users": World.user, "serviceAccounts": World.service_account,
    "teams": World.team, "calendars": World.calendar, "absences": World.absence, "leadResponses": World.lead_response,
    "interactions": World.interaction, "notifications": World.notification,
    "leadOperations": World.lead_operation,
    "leadScores": World.lead_score, "scoringModels": World.scoring_model,
    "leadEnrichments": World.enrichment, "leadBulkEdits": World.bulk_edit,
    "notificationDeliveries": World.delivery, "notificationPreferences": World.preferences,
    "leadImportMappings": World.import_mapping,
    "prospectSearches": World.prospect_search, "prospects": World.prospect,
    "leadSegments": World.segment, "cadences": World.cadence, "cadenceEnrolments": World.enrolment,
    "customFields": World.custom_field, "callLists": World.call_list, "callListEntries": World.call_entry,
    "materials": World.material, "materialLinks": World.material_link,
    "ownData": World.own_data, "ownDataLinks": World.own_data_link,
    "channels": World.channel, "landingPages": World.landing_page, "pipelines": World.pipeline,
    "spendEntries": World.spend, "touches": World.touch, "entitlements": World.entitlement,
    "assignmentPolicies": World.policy, "assignees": World.assignee, "assignmentRuns": World.assignment_run,
    "productFeedbacks": World.product_feedback,
    "captures": World.refused_capture, "duplicateCandidates": World.duplicate_candidate,
    "customers": World.customer, "erasures": World.erasure, "suppressions": World.suppression,
}  # fmt: skip
# Where the verb needs another state than that of a new record.
STATES: dict[str, Callable[[World], str]] = {
    "RestoreAccount": lambda w: w.after(w.account(), "archive"),
    "RestoreContact": lambda w: w.after(w.contact(), "archive"),
    "RestoreLead": lambda w: w.after(w.lead(), "archive"),
    "RestoreOpportunity": lambda w: w.after(w.deal(), "archive"),
    "ReactivateUser": lambda w: w.after(w.user(), "deactivate"),
    "RestoreLeadImportMapping": lambda w: w.after(w.import_mapping(), "archive"),
    "RestoreProspectSearch": lambda w: w.after(w.prospect_search(), "archive"),
    "RestoreLeadSegment": lambda w: w.after(w.segment(), "archive"),
    "RestoreMaterial": lambda w: w.after(w.material(), "archive"),
    "RestoreCadence": lambda w: w.after(w.cadence(), "archive"),
    "ResumeCallList": lambda w: w.after(w.call_list(), "pause"),
    "RestoreCalendar": lambda w: w.after(w.calendar(), "archive"),
    "RestoreCustomField": lambda w: w.after(w.custom_field(), "archive"),
    "ReactivateServiceAccount": lambda w: w.after(w.service_account(), "deactivate"),
    "WithdrawOwnData": lambda w: w.after(w.lead(), "shareOwnData"),
    "WakeLead": lambda w: w.after(w.lead(), "nurture", nurtureUntil=soon()),
    "ReopenLead": lambda w: w.after(w.lead(), "disqualify", reason="no_budget"),
    "UndoLeadBulkEdit": World.started_bulk_edit,
    "UndoMerge": lambda w: w.after(w.lead(), "merge", merged=[{"name": w.lead()}]),
    "QualifyLead": lambda w: w.after(w.lead(), "logCall", outcome="REACHED"),
    "ConvertLead": lambda w: w.after(w.after(w.lead(), "logCall", outcome="REACHED"), "qualify"),
    "PreviewConversion": lambda w: w.after(w.after(w.lead(), "logCall", outcome="REACHED"), "qualify"),
    "UndoConversion": lambda w: w.after(w.after(w.after(w.lead(), "logCall", outcome="REACHED"), "qualify"), "convert"),
    "ApproveContract": World.submitted_by_another,
    "RejectContract": World.submitted,
    "ActivateContract": World.approved,
    "ReopenCase": lambda w: w.after(w.case(), "resolve", solution="Done."),
    "DeactivateAssignmentPolicy": lambda w: w.after(w.policy(), "activate"),
    "PromoteScoringModel": lambda w: w.trained_models[0],
    "GetScoringDrift": lambda w: w.trained_models[0],
    "ShadowScoringModel": lambda w: w.trained_models[1],
}
# What must be said, besides the name.
BODIES: dict[str, Callable[[World], dict[str, Any]]] = {
    "CreateContractTemplate": lambda w: {"displayName": fresh(), "sections": [{"heading": "A", "text": "{amount}"}]},
    "CreateCalendar": lambda w: {"displayName": fresh(), **w.hours()},
    "CreateCustomField": World.field,
    "CreateAbsence": lambda w: LEAVE,
    "UpdateAbsence": lambda w: {"endDate": DAY},
    "CreateContract": lambda w: {"displayName": fresh(), "account": w.known_account(), "amount": EUROS},
    "CreateContact": lambda w: {"displayName": fresh(), "account": w.account()},
    "CreateOpportunity": lambda w: {"displayName": fresh(), "account": w.account(), "amount": EUROS},
    "CreatePipeline": lambda w: {"displayName": fresh(), "stages": w.stages()},
    "CreateMaterial": lambda w: {"displayName": fresh(), **w.document()},
    "ShareMaterial": lambda w: {},
    "CreateSpendEntry": World.spending,
    "CreateTouch": lambda w: {"channel": w.channel()},
    "BatchCreateTouches": lambda w: {"touches": [{"channel": w.channel()}]},
    "ImportLeads": lambda w: {"leads": [{"displayName": fresh()}]},
    "RevertLeadImport": lambda w: {"importId": w.lead_import()},
    "RecordOrder": lambda w: {
        "account": w.account(), "system": "sap", "orderNumber": uuid.uuid4().hex, "amount": EUROS,
        "lines": [{"product": "oven", "quantity": 1, "amount": EUROS}],
    },
    "CreateActivity": lambda w: {
        "displayName": fresh(), "subject": w.account(), "dueTime": LATER, "expectedOutcome": "An answer",
    },
    "CreateProductFeedback": World.wish,
    "OpenCase": lambda w: {"displayName": fresh(), "account": w.known_account()},
    "AssignLead": lambda w: {"owner": "users/admin"},
    "PreviewMerge": lambda w: {"merged": [{"name": w.lead()}]},
    "MergeLeads": lambda w: {"merged": [{"name": w.lead()}], "rule": "NEWEST"},
    "AssignCase": lambda w: {"owner": "users/admin"},
    "CreateLeadImportMapping": lambda w: {"displayName": fresh(), "columns": COLUMNS},
    "SuggestLeadImportMapping": lambda w: {"columns": ["姓名", "E-mail"]},
    "ImportLeadRows": lambda w: {"mapping": w.import_mapping(), "rows": [{"cells": {"姓名": fresh()}}]},
    "CreateLeadBulkEdit": lambda w: {"leads": [w.lead()], "lead": {"note": fresh()}},
    "StartLeadBulkEdit": lambda w: {"etag": w.seen_etag},
    "CreateProspectSearch": lambda w: {"displayName": fresh(), "source": "none", "criteria": {"countries": ["BG"]}},
    "AcceptProspects": lambda w: {"names": [w.prospect()]},
    "DismissProspects": lambda w: {"names": [w.prospect()]},
    "CreateLeadSegment": lambda w: {"displayName": fresh(), "filter": "state = NEW"},
    "CreateCadence": lambda w: {"displayName": fresh(), "steps": [{"kind": "CALL"}]},
    "EnrolLead": lambda w: {"cadence": w.cadence()},
    "CreateCallList": lambda w: {"displayName": fresh(), "mostAttempts": 3},
    "FillCallList": lambda w: {"filter": 'channel = "channels/none"'},
    "RecordCall": lambda w: {"disposition": "BUSY"},
    "UpdateMatchSettings": lambda w: {"certain": 12},
    "UpdateContactSettings": lambda w: {"atLeastEveryDays": 30},
    "LogInteraction": lambda w: {"kind": "CHAT"},
    "LogCall": lambda w: {"outcome": "REACHED"},
    "DisqualifyLead": lambda w: {"reason": "no_budget"},
    "RejectLead": lambda w: {"reason": "no_time"},
    "NurtureLead": lambda w: {"nurtureUntil": soon()},
    "ReopenLead": lambda w: {"note": "Called us."},
    "RejectContract": lambda w: {"reason": "Too dear."},
    "AdvanceOpportunity": lambda w: {"stage": w.next_stage()},
    "LoseOpportunity": lambda w: {"reason": "too_expensive"},
    "CompleteActivity": lambda w: {"outcome": "Done."},
    "ResolveCase": lambda w: {"solution": "Done."},
    "ReopenCase": lambda w: {"reason": "Not done."},
    "UpdateLeadSettings": lambda w: {},
    "UpdateResponseSettings": lambda w: {"targets": TARGETS},
    "UpdateNurtureSettings": lambda w: {"paths": [{"path": "all", "days": 30}]},
    "SimulateNurtureSettings": lambda w: {"states": ["ASSIGNED"]},
    "UpdateScoreSettings": lambda w: {"rules": [{"rule": "all", "points": 5}]},
    "CheckScoreSettings": lambda w: {"scoreSettings": {"rules": [{"rule": "all", "points": 5}]}},
    "OverrideScore": lambda w: {"score": 50, "expireTime": soon()},
    "CreateAssignmentPolicy": lambda w: {"displayName": fresh(), **w.rules()},
    "CaptureLead": lambda w: {"quickEntry": {"text": "Ана Петрова, Роза ООД, 0888 123 456"}},
    "RepairCapture": lambda w: {"fields": {"phone": "+359888123456"}},
    "UpdateAssignee": lambda w: {"dailyCapacity": 3},
    "UpdateNotificationPreferences": lambda w: {"language": "pt"},
    "RunAssignment": lambda w: {"policy": w.policy(), "filter": 'channel = "channels/none"'},
    "HandOverLeads": lambda w: {"fromPerson": w.user(), "policy": w.policy()},
    "CreateErasure": lambda w: {"emails": [w.address()]},
    "ExportPersonalData": lambda w: {"emails": [f"{uuid.uuid4().hex}@example.org"]},
    "SuppressAddress": lambda w: {"email": f"{uuid.uuid4().hex}@example.org", "reason": "MANUAL"},
    "CheckSuppressions": lambda w: {"emails": [f"{uuid.uuid4().hex}@example.org"]},
}  # fmt: skip


def soon() -> str:
    """In thirty days."""
    return (datetime.now(UTC) + timedelta(days=30)).isoformat().replace("+00:00", "Z")


def good_call(world: World, operation_id: str, path: str, has_body: bool) -> Call:
    """A call that the operation answers with 200."""
    parts = path.removeprefix("/v1/").split("/")
    names = []
    if len(parts) > 1 and parts[1].startswith("{"):
        make = STATES.get(operation_id) or IN_PATH[parts[0]]
        names = [make(world)]
    body = None
    if has_body:
        default: Callable[[World], dict[str, Any]] = lambda w: {}  # noqa: E731 - an empty body is an answer, too
        if operation_id.startswith("Create") or operation_id.startswith("Update"):
            default = lambda w: {"displayName": fresh()}  # noqa: E731
        body = BODIES.get(operation_id, default)(world)
    return Call(names, {}, body)
