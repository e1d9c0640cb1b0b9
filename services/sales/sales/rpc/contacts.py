"""Calls about contacts."""

from chassis.convert import from_message
from chassis.exports import export
from chassis.work import Page, Work
from crm.sales.v1 import sales_pb2
from google.api import httpbody_pb2

from sales.domain.account import Account
from sales.domain.contact import Contact, ContactCreated, ContactUpdated
from sales.references import give_owner, referenced


class Contacts:
    async def CreateContact(self, request: sales_pb2.CreateContactRequest, work: Work) -> Contact:
        contact = from_message(request.contact, Contact)
        contact.normalise()
        contact.journey_id = (await referenced(Account, contact.account, "contact.account", work)).journey_id
        await give_owner(contact, "contact.owner", work)
        work.emit(ContactCreated(contact=work.add(contact), event_time=work.now))
        return contact

    async def GetContact(self, request: sales_pb2.GetContactRequest, work: Work) -> Contact:
        return await work.get(Contact, request.name)

    async def ListContacts(self, request: sales_pb2.ListContactsRequest, work: Work) -> Page[Contact]:
        return await work.page(Contact, request)

    async def ExportContacts(self, request: sales_pb2.ExportContactsRequest, work: Work) -> httpbody_pb2.HttpBody:
        return await export(Contact, sales_pb2.Contact, request, work)

    async def UpdateContact(self, request: sales_pb2.UpdateContactRequest, work: Work) -> Contact:
        contact = await work.get(Contact, request.contact.name, request.contact.etag)
        changed = work.update(contact, request.contact, request.update_mask.paths, "contact", Contact.normalise)
        if "owner" in changed:
            await give_owner(contact, "contact.owner", work)
        if changed:
            work.emit(ContactUpdated(contact=contact, fields=changed, event_time=work.now))
        return contact

    async def ArchiveContact(self, request: sales_pb2.ArchiveContactRequest, work: Work) -> Contact:
        contact = await work.get(Contact, request.name, request.etag)
        work.emit(contact.archive(at=work.now))
        return contact

    async def RestoreContact(self, request: sales_pb2.RestoreContactRequest, work: Work) -> Contact:
        contact = await work.get(Contact, request.name, request.etag)
        work.emit(contact.restore(at=work.now))
        return contact
