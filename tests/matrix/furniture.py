"""One record of each kind the matrix needs, made by the services' own calls."""

from datetime import UTC, datetime
from typing import Any

from chassis.values import new_id
from directory.domain import Erasure, ErasureState
from insights.domain import Customer
from recipes import CHANNEL, DAY, EURO, PAGE, STAGES
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
    module = __import__(f"crm.{rpc.upstream}.v1.{rpc.upstream}_pb2", fromlist=["x"])
    request = getattr(module, rpc.request.name)(**fields)
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
    for kind, verbs in (("lead", []), ("archived lead", ["ArchiveLead"]), ("qualified lead", ["QualifyLead"])):
        made = await _ask(stage, "leads", "CreateLead", lead={"display_name": "Ана", "owner": "users/colleague"})
        for verb in verbs:
            await _ask(stage, "leads", verb, name=made.name)
        await _keep(stage, kind, "leads", made.name)
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
    made = await _ask(stage, "marketing", "SuppressAddress", email="somebody@rosa.example", reason="BOUNCED")
    await _keep(stage, "suppression", "marketing", made.name)
