"""Contracts over gRPC on a real database."""

import asyncio
import hashlib

import asyncpg
import pytest
from chassis.errors import AlreadyExists, FailedPrecondition, InvalidFields, NotFound, PermissionDenied
from chassis.values import new_id
from contracts import files
from crm.contracts.v1 import contracts_pb2 as pb
from crm.sales.v1 import events_pb2 as sales_events
from crm.sales.v1 import sales_pb2

STATE = pb.Contract.State


async def call(contracts, method, request, **who):
    return await contracts.call(f"ContractService/{method}", request, **({"by": "users/root"} | who))


async def account(contracts, name="Padaria São João"):
    """An account that sales has told about."""
    made = sales_pb2.Account(name=f"accounts/{new_id()}", display_name=name, journey_id=new_id())
    made.owner, made.team = "users/ana", "teams/north"
    await contracts.react(sales_events.AccountCreated(account=made))
    return made


async def create(contracts, by="users/ana", **fields):
    given = {"display_name": "Bakery 2026", "account": (await account(contracts)).name} | fields
    return await call(contracts, "CreateContract", pb.CreateContractRequest(contract=given), by=by)


async def submitted(contracts, by="users/ana", **fields):
    made = await create(contracts, by=by, **fields)
    return await call(contracts, "SubmitContract", pb.SubmitContractRequest(name=made.name), by=by)


async def approved(contracts, **fields):
    made = await submitted(contracts, **fields)
    return await call(contracts, "ApproveContract", pb.ApproveContractRequest(name=made.name), by="users/erik")


async def test_a_draft_has_number_author_journey_and_the_standard_template(contracts):
    customer = await account(contracts)
    made = await create(contracts, account=customer.name)
    assert made.number.startswith("C-0")
    assert (made.owner, made.team, made.journey_id) == ("users/ana", "teams/north", customer.journey_id)
    assert (made.template, made.template_version) == ("contractTemplates/standard", 1)
    assert (made.term_months, made.service_level, made.account_display_name) == (12, "standard", "Padaria São João")
    assert made.state == STATE.DRAFT
    assert await contracts.events(made.name) == ["ContractDrafted"]


async def test_an_account_that_is_on_its_way_is_waited_for(contracts):
    coming = sales_pb2.Account(name=f"accounts/{new_id()}", display_name="Soon", journey_id=new_id(), owner="users/ana")
    creating = asyncio.create_task(create(contracts, account=coming.name))
    await contracts.react(sales_events.AccountCreated(account=coming))
    assert (await creating).journey_id == coming.journey_id


async def test_an_account_that_never_comes_is_refused(contracts):
    with pytest.raises(InvalidFields, match=r"contract\.account"):
        await create(contracts, account=f"accounts/{new_id()}")


async def test_an_unknown_template_is_refused(contracts):
    with pytest.raises(InvalidFields, match=r"contract\.template"):
        await create(contracts, template="contractTemplates/none")


async def test_a_draft_goes_all_the_way_into_force(contracts):
    made = await approved(contracts)
    activate = pb.ActivateContractRequest(name=made.name, activate_time={"seconds": 1_772_463_600})  # 2026-03-02
    active = await call(contracts, "ActivateContract", activate, by="users/ana")
    assert active.state == STATE.ACTIVE
    assert (active.submitter, active.approver) == ("users/ana", "users/erik")
    assert (active.effective_date.year, active.end_date.year, active.end_date.day) == (2026, 2027, 1)
    assert active.entitlement_terms[0].entitlement.startswith("entitlements/")
    assert str(active.version) == active.etag
    events = ["ContractDrafted", "ContractSubmitted", "ContractApproved", "ContractActivated"]
    assert await contracts.events(active.name) == events


async def test_the_wrong_state_is_named(contracts):
    made = await create(contracts)
    with pytest.raises(FailedPrecondition, match="DRAFT"):
        await call(contracts, "ActivateContract", pb.ActivateContractRequest(name=made.name))


async def test_a_submitted_contract_cannot_be_changed(contracts):
    made = await submitted(contracts)
    change = pb.UpdateContractRequest(contract={"name": made.name, "display_name": "Other"})
    with pytest.raises(FailedPrecondition, match="IN_APPROVAL"):
        await call(contracts, "UpdateContract", change)


async def test_a_draft_can_be_changed(contracts):
    made = await create(contracts)
    change = pb.UpdateContractRequest(contract={"name": made.name, "owner": "users/boris", "term_months": 24})
    changed = await call(contracts, "UpdateContract", change)
    assert (changed.owner, changed.team, changed.term_months) == ("users/boris", "teams/north", 24)
    assert await contracts.events(made.name) == ["ContractDrafted", "ContractUpdated"]


async def test_the_customer_of_a_draft_stays(contracts):
    made = await create(contracts)
    change = pb.UpdateContractRequest(contract={"name": made.name, "account": f"accounts/{new_id()}"})
    with pytest.raises(InvalidFields, match=r"contract\.account"):
        await call(contracts, "UpdateContract", change)


async def test_the_author_cannot_approve_even_as_manager(contracts):
    made = await submitted(contracts, by="users/mira", owner="users/mira")
    with pytest.raises(FailedPrecondition) as refused:
        await call(contracts, "ApproveContract", pb.ApproveContractRequest(name=made.name), by="users/mira")
    assert refused.value.metadata["reason"] == "AUTHOR_CANNOT_APPROVE"


async def test_an_importer_submits_for_the_owner_and_approves_itself(contracts):
    made = await create(contracts)
    importer = "serviceAccounts/importer"
    request = pb.SubmitContractRequest(name=made.name)
    sent = await call(contracts, "SubmitContract", request, by=importer, acting_for="users/ana")
    assert sent.submitter == "users/ana"
    done = await call(contracts, "ApproveContract", pb.ApproveContractRequest(name=made.name), by=importer)
    assert done.approver == importer


async def test_a_salesperson_may_not_approve(contracts):
    made = await submitted(contracts)
    with pytest.raises(PermissionDenied):
        await call(contracts, "ApproveContract", pb.ApproveContractRequest(name=made.name), by="users/ana")


async def test_a_colleague_does_not_see_the_contract_or_its_document(contracts):
    made = await submitted(contracts)
    for method, request in (("GetContract", pb.GetContractRequest), ("GetContractPdf", pb.GetContractPdfRequest)):
        with pytest.raises(NotFound):
            await call(contracts, method, request(name=made.name), by="users/boris")


async def test_a_rejected_contract_can_be_submitted_again(contracts):
    made = await submitted(contracts)
    reject = pb.RejectContractRequest(name=made.name, reason="too cheap")
    back = await call(contracts, "RejectContract", reject, by="users/erik")
    assert (back.state, back.reject_reason, back.content_hash) == (STATE.DRAFT, "too cheap", "")
    again = await call(contracts, "SubmitContract", pb.SubmitContractRequest(name=made.name))
    assert again.content_hash == made.content_hash, "the same text is the same document"


async def test_the_submitted_document_is_stored_by_its_hash(contracts):
    made = await submitted(contracts)
    body = await call(contracts, "GetContractPdf", pb.GetContractPdfRequest(name=made.name))
    assert body.content_type == "application/pdf"
    assert hashlib.sha256(body.data).hexdigest() == made.content_hash
    (row,) = await contracts.rows("SELECT size, media_type FROM documents WHERE content_hash = $1", made.content_hash)
    assert (row["size"], row["media_type"]) == (len(body.data), "application/pdf")


async def test_a_draft_is_shown_as_a_marked_preview_that_is_not_stored(contracts):
    made = await create(contracts)
    preview = await call(contracts, "GetContractPdf", pb.GetContractPdfRequest(name=made.name))
    sent = await call(contracts, "SubmitContract", pb.SubmitContractRequest(name=made.name))
    assert preview.data.startswith(b"%PDF-")
    assert hashlib.sha256(preview.data).hexdigest() != sent.content_hash


async def test_a_repeated_submit_answers_the_first_result(contracts):
    made = await create(contracts)
    request = pb.SubmitContractRequest(name=made.name, request_id=new_id())
    assert await call(contracts, "SubmitContract", request) == await call(contracts, "SubmitContract", request)


async def test_a_document_that_is_gone_is_told_as_unavailable():
    with pytest.raises(files.FilesAway):
        await files.get("0" * 64)


async def test_a_template_change_is_a_new_version_and_contracts_keep_theirs(contracts):
    given = {"display_name": "Gold", "sections": [{"text": "For {customer}."}], "service_level": "gold"}
    request = pb.CreateContractTemplateRequest(contract_template=given, contract_template_id=f"gold-{new_id()}")
    template = await call(contracts, "CreateContractTemplate", request)
    made = await create(contracts, template=template.name)
    before = await call(contracts, "SubmitContract", pb.SubmitContractRequest(name=made.name))
    change = {"name": template.name, "sections": [{"text": "Nothing for {customer}."}]}
    changed = await call(
        contracts, "UpdateContractTemplate", pb.UpdateContractTemplateRequest(contract_template=change)
    )
    assert (template.version, changed.version) == (1, 2)
    await call(contracts, "RejectContract", pb.RejectContractRequest(name=made.name, reason="again"))
    after = await call(contracts, "SubmitContract", pb.SubmitContractRequest(name=made.name))
    assert (after.template_version, after.content_hash) == (1, before.content_hash)
    assert (await create(contracts, template=template.name)).template_version == 2
    assert await contracts.events(template.name) == ["ContractTemplateCreated", "ContractTemplateUpdated"]


async def test_an_unlimited_template_makes_unlimited_contracts(contracts):
    given = {"display_name": "Evergreen", "sections": [{"text": "Until {end_date}."}]}
    request = pb.CreateContractTemplateRequest(contract_template=given, contract_template_id=f"ever-{new_id()}")
    template = await call(contracts, "CreateContractTemplate", request)
    made = await approved(contracts, template=template.name)
    active = await call(contracts, "ActivateContract", pb.ActivateContractRequest(name=made.name))
    assert not active.HasField("end_date")
    assert not active.entitlement_terms[0].HasField("end_time")


async def test_a_taken_template_slug_is_refused(contracts):
    given = {"display_name": "Standard", "sections": [{"text": "x"}]}
    with pytest.raises(AlreadyExists):
        await call(contracts, "CreateContractTemplate", pb.CreateContractTemplateRequest(contract_template=given))


async def test_a_template_with_an_unknown_placeholder_is_refused(contracts):
    given = {"display_name": "Odd", "sections": [{"text": "{costumer}"}]}
    with pytest.raises(InvalidFields, match=r"sections\[0\]"):
        await call(contracts, "CreateContractTemplate", pb.CreateContractTemplateRequest(contract_template=given))


async def test_a_stored_template_version_never_changes(contracts):
    with pytest.raises(asyncpg.RaiseError, match="never changes"):
        await contracts.rows("UPDATE contract_template_versions SET term_months = 1")


async def test_templates_are_read_and_listed(contracts):
    request = pb.GetContractTemplateRequest(name="contractTemplates/standard")
    standard = await call(contracts, "GetContractTemplate", request)
    assert len(standard.sections) == 5
    listed = await call(contracts, "ListContractTemplates", pb.ListContractTemplatesRequest(page_size=1000))
    assert standard in listed.contract_templates


@pytest.mark.parametrize("field", ["state", "account", "owner", "team", "number", "journey_id"])
async def test_contracts_are_listed_by(contracts, field):
    made = await create(contracts)
    value = STATE.Name(made.state) if field == "state" else getattr(made, field)
    page = await call(contracts, "ListContracts", pb.ListContractsRequest(filter=f'{field} = "{value}"'))
    assert page.contracts[0] == made


async def test_contracts_are_listed_by_their_time_of_making(contracts):
    made = await create(contracts)
    since = made.create_time.ToJsonString()
    page = await call(contracts, "ListContracts", pb.ListContractsRequest(filter=f'create_time >= "{since}"'))
    assert page.contracts[-1] == made
