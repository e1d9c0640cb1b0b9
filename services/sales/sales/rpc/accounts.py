"""Calls about accounts."""

from chassis.convert import from_message
from chassis.exports import export
from chassis.values import new_id
from chassis.work import Page, Work
from crm.sales.v1 import sales_pb2
from google.api import httpbody_pb2

from sales.domain.account import Account, AccountCreated, AccountUpdated
from sales.references import give_owner


class Accounts:
    async def CreateAccount(self, request: sales_pb2.CreateAccountRequest, work: Work) -> Account:
        account = from_message(request.account, Account)
        account.journey_id = account.journey_id or new_id()
        await give_owner(account, "account.owner", work)
        work.emit(AccountCreated(account=work.add(account, whole=True), event_time=work.now))
        return account

    async def GetAccount(self, request: sales_pb2.GetAccountRequest, work: Work) -> Account:
        return await work.get(Account, request.name)

    async def ListAccounts(self, request: sales_pb2.ListAccountsRequest, work: Work) -> Page[Account]:
        return await work.page(Account, request)

    async def ExportAccounts(self, request: sales_pb2.ExportAccountsRequest, work: Work) -> httpbody_pb2.HttpBody:
        return await export(Account, sales_pb2.Account, request, work)

    async def UpdateAccount(self, request: sales_pb2.UpdateAccountRequest, work: Work) -> Account:
        account = await work.get(Account, request.account.name, request.account.etag)
        changed = work.update(account, request.account, request.update_mask.paths, "account")
        if "owner" in changed:
            await give_owner(account, "account.owner", work)
        if changed:
            work.emit(AccountUpdated(account=account, fields=changed, event_time=work.now))
        return account

    async def ArchiveAccount(self, request: sales_pb2.ArchiveAccountRequest, work: Work) -> Account:
        account = await work.get(Account, request.name, request.etag)
        work.emit(account.archive(at=work.now))
        return account

    async def RestoreAccount(self, request: sales_pb2.RestoreAccountRequest, work: Work) -> Account:
        account = await work.get(Account, request.name, request.etag)
        work.emit(account.restore(at=work.now))
        return account
