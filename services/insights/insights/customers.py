"""Customers put together: a few queries for any number of them, never one per customer."""

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from chassis.convert import to_message
from chassis.identity import Reach, reach_of
from chassis.reach import READ_BY
from chassis.work import Work
from crm.insights.v1 import insights_pb2

from insights import tables
from insights.domain import (
    STAGE_OF,
    TAKEN_BACK_BY,
    Customer,
    Entering,
    Journey,
    Revenue,
    Stage,
    Visit,
    in_time_order,
    journey,
    revenue_line,
)

OPEN_CASES = ("NEW", "OPEN")


def sight(work: Work) -> dict[str, list[str]]:
    """What the caller may see of a customer he sees, as parameters of the queries: each kind of record as far as he may
    read that kind. An account's own entries come with its customer; touches belong to nobody."""
    by_reach = defaultdict(list)
    for collection, permission in READ_BY.items():
        if reach := reach_of(work.caller.roles, permission):
            by_reach[Reach.ALL if collection in ("accounts", "touches") else reach].append(collection)
    return {
        "all_of": by_reach[Reach.ALL],
        "own_of": [*by_reach[Reach.OWN], *by_reach[Reach.TEAM], *by_reach[Reach.SUBTREE]],
        "team_of": by_reach[Reach.TEAM],
        "subtree_of": by_reach[Reach.SUBTREE],
        "me": [work.caller.name, work.caller.actor],
        "teams": sorted(work.caller.teams),
        "subtree": sorted(work.caller.subtree),
    }


async def describe(found: Sequence[Customer], work: Work) -> list[insights_pb2.Customer]:
    """The customers with everything counted; `freshness` is left to the caller."""
    if not found:
        return []
    accounts = [customer.account for customer in found]
    links = await journey_ids(accounts, work)
    seen = sight(work)
    arguments = {"accounts": accounts} | _pairs(links) | seen
    paths = await journeys(accounts, links, work)
    counts, people, last = defaultdict(list), defaultdict(list), {}
    for row in await work.rows(tables.COUNTS, **arguments):
        counts[row["account"]].append(row)
    for row in await work.rows(tables.CONTACTS, accounts=accounts, **seen):
        people[row["account"]].append(row)
    for row in await work.rows(tables.LAST_EVENTS, **arguments):
        last[row["account"]] = row["event_time"]
    described = []
    for customer in found:
        account = customer.account
        message = _customer(customer, paths[account], counts[account])
        message.contacts.extend(
            insights_pb2.Person(contact=row["name"], display_name=row["display_name"], buying_role=row["buying_role"])
            for row in people[account]
        )
        if last.get(account):
            message.last_event_time.FromDatetime(last[account])
        described.append(message)
    return described


# Account → its journeys, each with the one it is told as part of: itself, or that of the lead its lead was merged into.
Links = dict[str, dict[str, str]]


async def journey_ids(accounts: list[str], work: Work) -> Links:
    """The account's own journeys, those of the records that name the account, and those merged into them."""
    found: Links = {account: {} for account in accounts}
    for row in await work.rows(tables.JOURNEYS, accounts=accounts, **sight(work)):
        found[row["account"]][str(row["journey_id"])] = str(row["part_of"])
    return found


async def journeys(accounts: list[str], links: Links, work: Work) -> dict[str, list[Journey]]:
    """Account → its journeys with the stages entered, oldest first."""
    entered: defaultdict[tuple[str, str], list[Entering]] = defaultdict(list)
    taken_back, takes_back = map(list, zip(*TAKEN_BACK_BY, strict=True))
    wanted = {"types": [*STAGE_OF, *takes_back], "taken_back": taken_back, "takes_back": takes_back}
    for row in await work.rows(tables.STAGES, accounts=accounts, **wanted, **_pairs(links), **sight(work)):
        entered[row["account"], links[row["account"]].get(str(row["journey_id"]), str(row["journey_id"]))].append(
            Entering(
                stage=STAGE_OF[row["type"]],
                enter_time=row["event_time"],
                subject=row["subject"],
                trace_id=row["trace_id"],
            )
        )
    return {
        account: in_time_order(journey(one, entered[account, one]) for one in dict.fromkeys(links[account].values()))
        for account in accounts
    }


def journey_message(path: Journey) -> insights_pb2.Journey:
    message = insights_pb2.Journey(
        journey_id=path.journey_id,
        stages=[_visit(visit) for visit in path.visits],
        stage=_number(path.stage),
        out_of_order=path.out_of_order,
        bottleneck=_number(path.bottleneck),
        trace_ids=path.trace_ids,
    )
    message.duration.FromTimedelta(path.duration)
    return message


def _visit(visit: Visit) -> insights_pb2.StageVisit:
    entering = visit.entering
    message = insights_pb2.StageVisit(
        stage=_number(entering.stage),
        out_of_order=visit.out_of_order,
        subject=entering.subject,
        trace_id=entering.trace_id,
    )
    message.enter_time.FromDatetime(entering.enter_time)
    if visit.wait is not None:
        message.wait.FromTimedelta(visit.wait)
    return message


def _customer(customer: Customer, paths: list[Journey], counts: list[Any]) -> insights_pb2.Customer:
    message = to_message(customer, insights_pb2.Customer)
    message.account = customer.account
    message.journey_ids.extend(path.journey_id for path in paths)
    message.stage = _number(paths[-1].stage if paths else None)
    orders = [
        Revenue(currency=row["currency"], amount=row["amount"], orders=row["number"]) for row in _of(counts, "orders")
    ]
    line = revenue_line(orders)
    message.revenue, message.currency = line.revenue, line.currency
    message.other_revenue.extend(insights_pb2.Amount(amount=one, currency=code) for one, code in line.other_revenue)
    message.orders = sum(part.orders for part in orders)
    for state in ("OPEN", "WON", "LOST"):
        setattr(message, f"{state.lower()}_opportunities", _count(counts, "opportunities", state))
    message.active_contracts = _count(counts, "contracts", "ACTIVE")
    message.open_cases = _count(counts, "cases", *OPEN_CASES)
    message.cases = _count(counts, "cases")
    message.open_activities = _count(counts, "activities", "PLANNED")
    return message


def _of(counts: list[Any], collection: str) -> list[Any]:
    return [row for row in counts if row["collection"] == collection]


def _count(counts: list[Any], collection: str, *states: str) -> int:
    """How many records are in one of the states; in any if none is named."""
    return sum(row["number"] for row in _of(counts, collection) if not states or row["state"] in states)


def _number(stage: Stage | None) -> insights_pb2.Stage:
    return insights_pb2.Stage.Value(stage.name if stage else "STAGE_UNSPECIFIED")


def _pairs(links: Links) -> dict[str, list[str]]:
    """The links as two columns of equal length."""
    pairs = [(account, one) for account, ids in links.items() for one in ids]
    return {"linked": [account for account, _ in pairs], "journeys": [one for _, one in pairs]}
