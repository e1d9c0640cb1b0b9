"""What a lead matches among the customers that the user may read, and what a conversion makes of that."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, TypeVar

from chassis.convert import from_message
from chassis.errors import InvalidFields, Unauthenticated
from chassis.identity import Caller
from chassis.reach import readable
from chassis.values import ExternalId, id_of, is_uuid
from chassis.work import Work
from crm.sales.v1 import lead_acceptance_pb2, sales_pb2

from sales import tables
from sales.domain.account import Account
from sales.domain.contact import Contact
from sales.domain.lead_acceptance import (
    Candidate,
    Choice,
    Mode,
    Reason,
    Target,
    choose_account,
    choose_contact,
    choose_opportunity,
    ranked,
)
from sales.domain.opportunity import Opportunity, State
from sales.references import linked_record

R = TypeVar("R", Account, Contact, Opportunity)
FEWEST_DIGITS = 6  # a shorter number is an extension


@dataclass(frozen=True)
class Matches:
    """What was found, best first, and what is chosen of it."""

    accounts: list[Candidate[Account]]
    contacts: list[Candidate[Contact]]
    opportunities: list[Candidate[Opportunity]]
    choice: Choice


async def match(
    facts: sales_pb2.AcceptLeadRequest,
    asked: lead_acceptance_pb2.LeadTargets,
    work: Work,
    similar: Iterable[str] = (),
) -> Matches:
    """InvalidFields if a record to link is not there, is archived, or contradicts another one."""
    user = await _user(work)
    targets = {name: from_message(getattr(asked, name), Target) for name in ("account", "contact", "opportunity")}
    for name in ("account", "contact"):
        if targets[name].mode is Mode.NONE:
            raise InvalidFields((f"{name}.mode", "NONE is for the opportunity alone"))
    linked = Choice(
        account=await linked_record(Account, targets["account"], "account", user, work),
        contact=await linked_record(Contact, targets["contact"], "contact", user, work),
        opportunity=await linked_record(Opportunity, targets["opportunity"], "opportunity", user, work),
    )
    contacts = ranked([one async for one in _contacts(facts, user, work)])
    known = [one async for one in _accounts(facts, contacts, linked, user, work)]
    others = {id_of(name) for name in similar} - {account.id for account, _ in known}
    alike = _seen(await work.find(Account, id=sorted(filter(is_uuid, others))) if others else [], user, work)
    accounts = ranked([*known, *((account, Reason.SIMILAR_NAME) for account in alike)])
    no_deal = targets["opportunity"].mode is Mode.NONE
    account = choose_account(targets["account"], linked, accounts)
    contact = choose_contact(targets["contact"], linked, account, contacts)
    deals = ranked([one async for one in _deals(account, contact, user, work)])
    deal = choose_opportunity(targets["opportunity"], linked, contact, deals)
    return Matches(accounts, contacts, deals, Choice(account, contact, deal, no_deal))


async def _user(work: Work) -> Caller:
    """Whoever leads asks for, with their own rights. Who is not known here may read nothing."""
    actor = work.caller.actor
    if actor == work.caller.name:
        return work.caller
    member = await work.members.named(actor)
    try:
        return await work.members.caller(member.subject if member else actor)
    except Unauthenticated:
        return Caller(actor, actor)


def _seen(records: Iterable[R], user: Caller, work: Work) -> list[R]:
    """Those that the user may read, and that nobody put away."""
    return [
        record
        for record in records
        if record.archive_time is None and readable(user, work.context.mappers[type(record)], record)
    ]


async def _contacts(facts: sales_pb2.AcceptLeadRequest, user: Caller, work: Work) -> Any:
    email = facts.email.strip().lower()
    for contact in _seen(await work.find(Contact, email=email) if email else [], user, work):
        yield contact, Reason.EMAIL
    digits = "".join(filter(str.isdigit, facts.phone))
    if len(digits) >= FEWEST_DIGITS:
        ids = [str(row["id"]) for row in await work.rows(tables.SAME_PHONE, digits=digits)]
        for contact in _seen(await work.find(Contact, id=ids) if ids else [], user, work):
            yield contact, Reason.PHONE


async def _accounts(
    facts: sales_pb2.AcceptLeadRequest, contacts: list[Candidate[Contact]], linked: Choice, user: Caller, work: Work
) -> Any:
    keys = [from_message(key, ExternalId) for key in facts.account_external_ids]
    for account in _seen((await work.by_external_ids(Account, keys)).values(), user, work):
        yield account, Reason.EXTERNAL_ID
    ids = [str(row["id"]) for row in await work.rows(tables.SAME_NAME, name=facts.account_display_name)]
    for account in _seen(await work.find(Account, id=ids) if ids else [], user, work):
        yield account, Reason.NAME
    people = [one.record for one in contacts] + [one for one in (linked.contact, linked.opportunity) if one]
    of_people = list({one.account.removeprefix("accounts/") for one in people})
    for account in _seen(await work.find(Account, id=of_people) if of_people else [], user, work):
        yield account, Reason.CONTACT


async def _deals(account: Account | None, contact: Contact | None, user: Caller, work: Work) -> Any:
    if account is None:
        return
    for deal in _seen(await work.find(Opportunity, account=account.name, state=State.OPEN.name), user, work):
        yield deal, Reason.CONTACT if contact and deal.contact == contact.name else Reason.NAME
