"""One record of each kind the matrix needs, made by the services' own calls."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from chassis.operation import State as OperationState
from chassis.values import new_id
from directory.domain.erasure import Erasure, ErasureState
from insights.domain import Customer
from leads.domain.assignment.assignee import Assignee
from leads.domain.assignment.policy import AssignmentPolicy, Rule
from leads.domain.assignment.run import AssignmentRun, Kind, RunState
from leads.domain.bulk_edit import LeadBulkEdit
from leads.domain.cadence import Cadence, CadenceEnrolment, CadenceStep
from leads.domain.call_list import CallList, CallListState
from leads.domain.call_list_entry import CallListEntry
from leads.domain.capture import Capture
from leads.domain.capture import Kind as CaptureKind
from leads.domain.delivery import DeliveryState, NotificationDelivery, NotificationPreferences, Way
from leads.domain.duplicate_candidate import DuplicateCandidate
from leads.domain.enrichment import LeadEnrichment
from leads.domain.import_mapping import Column, LeadImportMapping
from leads.domain.interaction import Interaction, InteractionKind
from leads.domain.lead_score import LeadScore
from leads.domain.merge import LeadMerge
from leads.domain.notification import Notification, NotificationKind
from leads.domain.operation import LeadOperation
from leads.domain.own_data import OwnDataLink
from leads.domain.prospect import Prospect
from leads.domain.prospect_search import ProspectCriteria, ProspectSearch
from leads.domain.response import LeadResponse
from leads.domain.scoring_model import ModelState, ScoringModel
from leads.domain.segment import LeadSegment
from leads.domain.state import State
from leads.score_tables import KEEP_ARTEFACT
from leads.scoring.model import Curve, Model
from marketing.material import MaterialLink
from recipes import (
    BULGARIA,
    CADENCE,
    CALL_LIST,
    CHALLENGER,
    CHAMPION,
    CHANNEL,
    DAY,
    DOCUMENT,
    EURO,
    LEAVE,
    MAPPING,
    MATERIAL,
    NEW_LEADS,
    PAGE,
    POLICY,
    STAGES,
    TOKEN,
    a_field,
)
from sales.domain.lead_acceptance import LeadAcceptance
from service_desk.domain import Entitlement

ROOT = "users/root"


async def furnish(stage: Any) -> None:
    """Fills `stage.templates`: kind → (service, record)."""
    await _leads(stage)
    account = await _sales(stage)
    await _contracts(stage, account)
    await _desk(stage, account)
    await _directory(stage)
    await _marketing(stage)
    now = datetime.now(UTC)
    known = {"version": 1, "create_time": now, "update_time": now, "journey_id": new_id()}
    customer = Customer(
        epoch=new_id(), display_name="Bakery", owner="", team="", lead="", channel="", customer_time=None,
        archive_time=None, **known,
    )  # fmt: skip
    stage.templates["customer"] = ("insights", customer)


async def _ask(stage: Any, service: str, path: str, **fields: Any) -> Any:
    """A call by root."""
    from expected import CONTRACT

    running = stage.services[service]
    rpc = next(rpc for rpc in CONTRACT.rpcs if rpc.path.endswith(f"/{path}"))
    request = rpc.request_class(**fields)
    return await running.call(f"{rpc.service.rpartition('.')[2]}/{path}", request, by=ROOT)


async def _keep(stage: Any, kind: str, service: str, name: str) -> None:
    """Remembers a record as its service has stored it."""
    context = stage.services[service].process.context
    collection, key = name.split("/")
    found = next(one for one in context.mappers if one.collection == collection)
    mapper = context.mappers[found]
    rows = await stage.services[service].rows(f"SELECT * FROM {mapper.table.name} WHERE id::text = $1", key)
    stage.templates[kind] = (service, mapper.load(rows[0]))
    await stage.services[service].rows(f"DELETE FROM {mapper.table.name} WHERE id::text = $1", key)


async def _leads(stage: Any) -> None:
    later = {"seconds": 1_900_000_000}
    kinds: dict[str, tuple[str, dict[str, Any]]] = {
        "lead": ("", {}),
        "assigned lead": ("AssignLead", {"owner": "users/colleague"}),
        "archived lead": ("ArchiveLead", {}),
        "qualified lead": ("QualifyLead", {}),
        "disqualified lead": ("DisqualifyLead", {"reason": "no_budget"}),
        "nurtured lead": ("NurtureLead", {"nurture_until": later}),
    }
    for kind, (verb, fields) in kinds.items():
        made = await _ask(stage, "leads", "CreateLead", lead={"display_name": "Ана", "owner": "users/colleague"})
        if verb:
            await _ask(stage, "leads", verb, name=made.name, **fields)
        await _keep(stage, kind, "leads", made.name)
    known = {"version": 1, "create_time": datetime.now(UTC), "update_time": datetime.now(UTC)}
    lead = stage.templates["qualified lead"][1]
    tomorrow = datetime.now(UTC) + timedelta(days=1)
    converted = replace(lead, state=State.CONVERTED, conversion_undo_until=tomorrow)
    stage.templates["converted lead"] = ("leads", converted)
    acceptance = LeadAcceptance(lead="leads/any", account="", contact="", opportunity="", **known)
    stage.templates["lead acceptance"] = ("sales", acceptance)
    _, lead = stage.templates["lead"]
    times = {"merge_time": datetime.now(UTC), "undo_until": tomorrow}
    stage.templates["lead merge"] = ("leads", LeadMerge(lead=lead.name, result=lead, before=[lead], **times, **known))
    stage.templates["duplicate candidate"] = ("leads", DuplicateCandidate(lead="", other="", score=9.0, **known))
    rules = [Rule(rule="all", people=["users/none"])]
    for active in ("", "active "):
        policy = AssignmentPolicy(display_name="P", rules=rules, active=bool(active), **known)
        stage.templates[f"{active}assignment policy"] = ("leads", policy)
    await stage.store([("assignment policy", replace(policy, id=POLICY.split("/")[1], active=False))])
    stage.templates["assignee"] = ("leads", Assignee(id="any", **known))
    capture = Capture(kind=CaptureKind.QUICK_ENTRY, contact_time=datetime.now(UTC), **known)
    stage.templates["capture"] = ("leads", capture)
    run = AssignmentRun(owner="", team="", kind=Kind.ASSIGN, state=RunState.DONE, **known)
    stage.templates["assignment run"] = ("leads", run)
    begun = datetime.now(UTC)
    response = LeadResponse(
        lead="leads/any", owner="", team="", start_time=begun, due_time=begun, journey_id=new_id(), **known
    )
    stage.templates["lead response"] = ("leads", response)
    stage.templates["lead score"] = ("leads", LeadScore(lead="leads/any", band="cold", **known))
    model = ScoringModel(display_name="M", state=ModelState.CANDIDATE, **known)
    stage.templates["scoring model"] = ("leads", model)
    learned = Model([], [], 0.0, [], [], Curve([0.0, 1.0], [0.0, 1.0], 1.0, 1.0)).to_json().decode()
    for name in (CHAMPION, CHALLENGER):
        key = name.split("/")[1]
        await stage.store([("scoring model", replace(model, id=key))])
        await stage.services["leads"].rows(KEEP_ARTEFACT, key, learned)
    interaction = Interaction(lead="leads/any", kind=InteractionKind.VISIT, interaction_time=begun, **known)
    stage.templates["interaction"] = ("leads", interaction)
    notification = Notification(lead="leads/any", owner="", kind=NotificationKind.LEAD_ASSIGNED, **known)
    stage.templates["notification"] = ("leads", notification)
    operation = LeadOperation(kind="export", owner="", team="", state=OperationState.CANCELLED, **known)
    stage.templates["lead operation"] = ("leads", operation)
    edit = LeadBulkEdit(owner="", team="", fields=["note"], preview_time=begun, **known)
    stage.templates["bulk edit"] = ("leads", edit)
    stage.templates["started bulk edit"] = ("leads", replace(edit, start_time=begun, undo_until=tomorrow))
    stage.templates["notification preferences"] = ("leads", NotificationPreferences(id="any", owner="", **known))
    failed = {"kind": NotificationKind.LEAD_ASSIGNED, "way": Way.EMAIL, "state": DeliveryState.FAILED}
    delivery = NotificationDelivery(
        notification="notifications/any", lead="leads/any", owner="", due_time=None, **failed, **known
    )
    stage.templates["lead enrichment"] = ("leads", LeadEnrichment(lead="leads/any", **known))
    stage.templates["own data link"] = ("leads", OwnDataLink(lead="leads/any", expire_time=tomorrow, **known))
    criteria = ProspectCriteria(**BULGARIA)
    for archived in (None, begun):
        search = ProspectSearch(display_name="P", source="none", criteria=criteria, archive_time=archived, **known)
        stage.templates["archived prospect search" if archived else "prospect search"] = ("leads", search)
    found = {"source": "none", "key": "any", "fetch_time": begun, "expire_time": tomorrow}
    prospect = Prospect(prospect_search="prospectSearches/any", company="Роза", **found, **known)
    stage.templates["prospect"] = ("leads", prospect)
    stage.templates["notification delivery"] = ("leads", delivery)
    steps = [CadenceStep(kind=InteractionKind.CALL)]
    for archived in (None, begun):
        segment = LeadSegment(id="any", display_name="S", filter=NEW_LEADS, archive_time=archived, **known)
        stage.templates["archived lead segment" if archived else "lead segment"] = ("leads", segment)
        columns = [Column(column="姓名", field="display_name")]
        mapping = LeadImportMapping(id="any", display_name="M", columns=columns, archive_time=archived, **known)
        stage.templates["archived import mapping" if archived else "import mapping"] = ("leads", mapping)
        cadence = Cadence(id="any", display_name="C", steps=steps, archive_time=archived, **known)
        stage.templates["archived cadence" if archived else "cadence"] = ("leads", cadence)
    await stage.store([("import mapping", replace(mapping, id=MAPPING.split("/")[1], archive_time=None))])
    await stage.store([("cadence", replace(cadence, id=CADENCE.split("/")[1], archive_time=None))])
    enrolment = CadenceEnrolment(lead="leads/any", cadence=CADENCE, steps=steps, step_time=begun, **known)
    stage.templates["cadence enrolment"] = ("leads", enrolment)
    for word, state in (("", CallListState.ACTIVE), ("paused ", CallListState.PAUSED)):
        stage.templates[f"{word}call list"] = ("leads", CallList(display_name="Calls", state=state, **known))
    await stage.store([("call list", replace(stage.templates["call list"][1], id=CALL_LIST.split("/")[1]))])
    given = CallListEntry(lead="leads/any", call_list=CALL_LIST, lease_until=tomorrow, **known)
    stage.templates["call list entry"] = ("leads", given)
    await _ask(stage, "leads", "UpdateLeadSettings", lead_settings={"qualification_checklist": ["OWNER"]})


async def _sales(stage: Any) -> str:
    account = await _ask(stage, "sales", "CreateAccount", account={"display_name": "Bakery"})
    about = {"display_name": "x", "account": account.name}
    for word, kind in (("Contact", "contact"), ("Opportunity", "opportunity")):
        for archived in ("", "archived "):
            made = await _ask(stage, "sales", f"Create{word}", **{kind: about})
            if archived:
                await _ask(stage, "sales", f"Archive{word}", name=made.name)
            await _keep(stage, f"{archived}{kind}", "sales", made.name)
    order = {"account": account.name, "system": "erp", "order_number": new_id(), "amount": EURO}
    await _keep(stage, "order", "sales", (await _ask(stage, "sales", "RecordOrder", order=order)).name)
    activity = {"display_name": "Call", "subject": account.name, "expected_outcome": "A visit"}
    made = await _ask(stage, "sales", "CreateActivity", activity=activity | {"due_time": {"seconds": 1_900_000_000}})
    await _keep(stage, "activity", "sales", made.name)
    pipeline = await _ask(stage, "sales", "CreatePipeline", pipeline={"display_name": "P", "stages": STAGES})
    await _keep(stage, "pipeline", "sales", pipeline.name)
    gone = await _ask(stage, "sales", "CreateAccount", account={"display_name": "Gone"})
    await _ask(stage, "sales", "ArchiveAccount", name=gone.name)
    await _keep(stage, "archived account", "sales", gone.name)
    await _keep(stage, "account", "sales", account.name)
    return str(account.name)


async def _told(stage: Any, service: str, account: str) -> None:
    from crm.sales.v1 import events_pb2

    told = {"name": account, "display_name": "Bakery", "journey_id": new_id(), "owner": "users/foreign"}
    await stage.services[service].react(events_pb2.AccountCreated(account=told))


async def _contracts(stage: Any, account: str) -> None:
    await _told(stage, "contracts", account)
    about = {"display_name": "Care", "account": account, "owner": "users/foreign"}
    states = {
        "draft": [],
        "submitted": ["Submit"],
        "approved": ["Submit", "Approve"],
        "active": ["Submit", "Approve", "Activate"],
    }
    for state, verbs in states.items():
        made = await _ask(stage, "contracts", "CreateContract", contract=about)
        for verb in verbs:
            by = "users/erik" if verb == "Approve" else ROOT
            await _verb(stage, f"{verb}Contract", made.name, by)
        await _keep(stage, f"{state} contract", "contracts", made.name)
    template = {"display_name": "T", "sections": [{"heading": "§", "text": "{customer}"}]}
    made = await _ask(stage, "contracts", "CreateContractTemplate", contract_template=template)
    await _keep(stage, "contract template", "contracts", made.name)


async def _verb(stage: Any, verb: str, name: str, by: str) -> None:
    from crm.contracts.v1 import contracts_pb2

    request = getattr(contracts_pb2, f"{verb}Request")(name=name)
    await stage.services["contracts"].call(f"ContractService/{verb}", request, by=by)


async def _desk(stage: Any, account: str) -> None:
    await _told(stage, "service-desk", account)
    for kind in ("case", "resolved case"):
        about = {"display_name": "Broken", "account": account, "owner": "users/dora"}
        made = await _ask(stage, "service-desk", "OpenCase", case=about)
        if kind == "resolved case":
            await _ask(stage, "service-desk", "ResolveCase", name=made.name, solution="Done")
        await _keep(stage, kind, "service-desk", made.name)
    said = {"product": "oven", "kind": "WISH", "text": "A timer", "account": account}
    made = await _ask(stage, "service-desk", "CreateProductFeedback", product_feedback=said)
    await _keep(stage, "product feedback", "service-desk", made.name)
    now = datetime.now(UTC)
    entitlement = Entitlement(
        account=account, contract=f"contracts/{new_id()}", contract_version=1, start_time=now, version=1,
        create_time=now, update_time=now,
    )  # fmt: skip
    stage.templates["entitlement"] = ("service-desk", entitlement)


async def _directory(stage: Any) -> None:
    kinds = (("user", "User", "user"), ("service account", "ServiceAccount", "service_account"))
    for kind, word, resource in kinds:
        for deactivated in ("", "deactivated "):
            made = await _ask(stage, "directory", f"Create{word}", **{resource: {"display_name": "Any"}})
            if deactivated:
                await _ask(stage, "directory", f"Deactivate{word}", name=made.name)
            await _keep(stage, f"{deactivated}{kind}", "directory", made.name)
    made = await _ask(stage, "directory", "CreateTeam", team={"display_name": "Any"})
    await _keep(stage, "team", "directory", made.name)
    for archived in ("", "archived "):
        calendar = {"display_name": "Any", "time_zone": "UTC", "versions": [{"valid_from": DAY}]}
        made = await _ask(stage, "directory", "CreateCalendar", calendar=calendar, calendar_id=new_id())
        if archived:
            await _ask(stage, "directory", "ArchiveCalendar", name=made.name)
        await _keep(stage, f"{archived}calendar", "directory", made.name)
    for archived in ("", "archived "):
        made = await _ask(stage, "directory", "CreateCustomField", custom_field=a_field())
        if archived:
            await _ask(stage, "directory", "ArchiveCustomField", name=made.name)
        await _keep(stage, f"{archived}custom field", "directory", made.name)
    made = await _ask(stage, "directory", "CreateAbsence", absence={"owner": "users/ana", **LEAVE})
    await _keep(stage, "absence", "directory", made.name)
    known = {"version": 1, "create_time": datetime.now(UTC), "update_time": datetime.now(UTC)}
    stage.templates["erasure"] = ("directory", Erasure(state=ErasureState.COMPLETED, **known))


async def _marketing(stage: Any) -> None:
    await _ask(stage, "marketing", "CreateChannel", channel={"display_name": "C"}, channel_id=CHANNEL.split("/")[1])
    await _ask(
        stage, "marketing", "CreateLandingPage", landing_page={"display_name": "L"}, landing_page_id=PAGE.split("/")[1]
    )
    made = await _ask(stage, "marketing", "CreateChannel", channel={"display_name": "Any"})
    await _keep(stage, "channel", "marketing", made.name)
    made = await _ask(stage, "marketing", "CreateLandingPage", landing_page={"display_name": "Any"})
    await _keep(stage, "landing page", "marketing", made.name)
    entry = {"channel": CHANNEL, "spend_date": DAY, "amount": EURO}
    made = await _ask(stage, "marketing", "CreateSpendEntry", spend_entry=entry)
    await _keep(stage, "spend entry", "marketing", made.name)
    made = await _ask(stage, "marketing", "CreateTouch", touch={"channel": CHANNEL})
    await _keep(stage, "touch", "marketing", made.name)
    given = {"material": {"display_name": "M", "kind": "DOCUMENT", "url": DOCUMENT}}
    await _ask(stage, "marketing", "CreateMaterial", material_id=MATERIAL.split("/")[1], **given)
    known = {"version": 1, "create_time": datetime.now(UTC), "update_time": datetime.now(UTC)}
    link = MaterialLink(owner="", team="", material=MATERIAL, **known)
    stage.templates["material link"] = ("marketing", link)
    await stage.store([("material link", replace(link, id=TOKEN))])
    for kind, verb in (("material", ""), ("archived material", "ArchiveMaterial")):
        made = await _ask(stage, "marketing", "CreateMaterial", material_id=f"m{new_id()}", **given)
        if verb:
            await _ask(stage, "marketing", verb, name=made.name)
        await _keep(stage, kind, "marketing", made.name)
    made = await _ask(stage, "marketing", "SuppressAddress", email="somebody@rosa.example", reason="BOUNCED")
    await _keep(stage, "suppression", "marketing", made.name)
