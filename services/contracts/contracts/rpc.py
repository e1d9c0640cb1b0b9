"""The calls contracts answers, one method each."""

import asyncio

from chassis.convert import from_message
from chassis.errors import InvalidFields
from chassis.exports import export
from chassis.values import id_of, slug
from chassis.work import Page, Work
from crm.contracts.v1 import contracts_pb2
from google.api import httpbody_pb2

from contracts import files, tables
from contracts.company import company
from contracts.domain import (
    Account,
    Contract,
    ContractTemplate,
    ContractTemplateCreated,
    ContractTemplateUpdated,
    TemplateVersion,
)
from contracts.printing import MEDIA_TYPE, print_pdf
from contracts.wording import word

ACCOUNT_SECONDS = 2.0  # how long an event about a new account may take to reach us


class ContractService:
    descriptor = contracts_pb2.DESCRIPTOR.services_by_name["ContractService"]

    async def CreateContractTemplate(
        self, request: contracts_pb2.CreateContractTemplateRequest, work: Work
    ) -> ContractTemplate:
        given = request.contract_template
        key = request.contract_template_id or slug(given.display_name)
        template = from_message(given, ContractTemplate, id=key)
        template.check()
        work.emit(ContractTemplateCreated(contract_template=work.add(template), event_time=work.now))
        work.add(template.next_version())
        return template

    async def GetContractTemplate(
        self, request: contracts_pb2.GetContractTemplateRequest, work: Work
    ) -> ContractTemplate:
        return await work.get(ContractTemplate, request.name)

    async def ListContractTemplates(
        self, request: contracts_pb2.ListContractTemplatesRequest, work: Work
    ) -> Page[ContractTemplate]:
        return await work.page(ContractTemplate, request)

    async def UpdateContractTemplate(
        self, request: contracts_pb2.UpdateContractTemplateRequest, work: Work
    ) -> ContractTemplate:
        given = request.contract_template
        template = await work.get(ContractTemplate, given.name, given.etag)
        if work.update(template, given, request.update_mask.paths, "contract_template"):
            template.check()
            work.add(template.next_version())
            work.emit(ContractTemplateUpdated(contract_template=template, event_time=work.now))
        return template

    async def CreateContract(self, request: contracts_pb2.CreateContractRequest, work: Work) -> Contract:
        contract = from_message(request.contract, Contract)
        author = await work.responsible(contract.owner or work.caller.actor, "contract.owner")
        contract.owner, contract.team = author.name, author.team
        account = await _account(contract.account, work)
        contract.journey_id = account.journey_id
        contract.account_display_name = contract.account_display_name or account.display_name
        template = await _template(contract.template or ContractTemplate.STANDARD, work)
        number = await work.next_number(tables.NUMBERS)
        work.emit(work.add(contract).draft(template, number, by=work.caller.actor, at=work.now))
        return contract

    async def GetContract(self, request: contracts_pb2.GetContractRequest, work: Work) -> Contract:
        return await work.get(Contract, request.name)

    async def ListContracts(self, request: contracts_pb2.ListContractsRequest, work: Work) -> Page[Contract]:
        return await work.page(Contract, request)

    async def ExportContracts(self, request: contracts_pb2.ExportContractsRequest, work: Work) -> httpbody_pb2.HttpBody:
        return await export(Contract, contracts_pb2.Contract, request, work)

    async def UpdateContract(self, request: contracts_pb2.UpdateContractRequest, work: Work) -> Contract:
        contract = await work.get(Contract, request.contract.name, request.contract.etag)
        contract.require_draft()
        changed = work.update(contract, request.contract, request.update_mask.paths, "contract")
        if "owner" in changed:
            owner = await work.responsible(contract.owner, "contract.owner")
            contract.owner, contract.team = owner.name, owner.team
        if changed:
            work.emit(contract.revise(changed, by=work.caller.actor, at=work.now))
        return contract

    async def SubmitContract(self, request: contracts_pb2.SubmitContractRequest, work: Work) -> Contract:
        contract = await work.get(Contract, request.name, request.etag)
        at = work.business_time(request, "submit_time")
        contract.require_draft()  # before the work of printing
        document = await print_contract(contract, work)
        content_hash = await files.put(document)
        await work.execute(tables.KEEP_DOCUMENT, content_hash, len(document), MEDIA_TYPE, work.now)
        work.emit(contract.submit(content_hash, by=work.caller.actor, at=at))
        return contract

    async def ApproveContract(self, request: contracts_pb2.ApproveContractRequest, work: Work) -> Contract:
        contract = await work.get(Contract, request.name, request.etag)
        at = work.business_time(request, "approve_time")
        work.emit(contract.approve(by=work.caller.actor, note=request.note, at=at))
        return contract

    async def RejectContract(self, request: contracts_pb2.RejectContractRequest, work: Work) -> Contract:
        contract = await work.get(Contract, request.name, request.etag)
        work.emit(contract.reject(request.reason, at=work.now))
        return contract

    async def ActivateContract(self, request: contracts_pb2.ActivateContractRequest, work: Work) -> Contract:
        contract = await work.get(Contract, request.name, request.etag)
        at = work.business_time(request, "activate_time")
        work.emit(contract.activate(at, company().zone))
        return contract

    async def GetContractPdf(self, request: contracts_pb2.GetContractPdfRequest, work: Work) -> httpbody_pb2.HttpBody:
        contract = await work.get(Contract, request.name)
        if contract.content_hash:
            document = await files.get(contract.content_hash)
        else:
            document = await print_contract(contract, work, draft=True)
        return httpbody_pb2.HttpBody(content_type=MEDIA_TYPE, data=document)


async def _account(name: str, work: Work) -> Account:
    """The customer; one that sales has just made may still be on its way to us. One the caller may not see is waited
    for just as long: the time an answer takes tells nothing either."""
    clock = asyncio.get_running_loop()
    until = clock.time() + ACCOUNT_SECONDS
    while (account := await work.find_one(Account, id=id_of(name))) is None or not work.may_read(account):
        if clock.time() > until:
            raise InvalidFields(("contract.account", f"{name} is not known here (yet), or you may not see it"))
        await asyncio.sleep(0.05)
    return account


async def _template(name: str, work: Work) -> ContractTemplate:
    template = await work.find_one(ContractTemplate, id=id_of(name))
    if template is None:
        raise InvalidFields(("contract.template", f"there is no {name}"))
    return template


async def print_contract(contract: Contract, work: Work, *, draft: bool = False) -> bytes:
    """The contract as it now stands, in the template's version it was drafted from."""
    key = TemplateVersion.key(contract.template, contract.template_version)
    template = await work.find_one(TemplateVersion, id=key)
    assert template is not None, f"{contract.name} was drafted from {key}, which is never removed"
    return await print_pdf(word(contract, template, company().name, draft=draft))
