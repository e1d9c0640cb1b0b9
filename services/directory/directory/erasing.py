"""Erasing and telling about a person across the suite: every service is asked in turn, until nothing is left.

An erasure knows its person as ids and keyed hashes only. So the saga's own row holds nothing that would have to be
erased, and what comes back from a backup years later is recognised still.
"""

import asyncio
from dataclasses import dataclass, field, replace
from typing import Any

import msgspec
from chassis.errors import Aborted, CrmError
from chassis.personal import from_wire, marks_from, to_wire
from chassis.persons import Person, names_of
from chassis.rpc_client import Neighbours
from chassis.saga import Asking, Call, Saga
from chassis.settings import SERVICES, upstream
from chassis.values import new_id
from chassis.work import Work
from crm.chassis.v1 import personal_pb2

from directory import tables
from directory.domain.erasure import Counts, Erasure, Receipt
from directory.domain.people import State, User

SERVICE = "crm.chassis.v1.PersonalDataService"
MOST_ROUNDS = 6  # of widening: lead → contact → activities and cases → what is about those
SECONDS = 120.0  # one service's part of a round
PATIENCE_SECONDS = 15.0  # of one step; then the saga rests and comes back
PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 0.25, 4.0  # each round reads every outbox


class ErasureUnderWay(Aborted):
    """Something of the person is still on its way out; the erasure comes back to it."""


@dataclass(frozen=True)
class Search:
    """What was found: the person, their addresses (never stored), and who is only similar."""

    person: Person
    emails: list[str] = field(default_factory=list)
    similar: list[str] = field(default_factory=list)


def asked() -> list[str]:
    """The services that may know people, as far as this installation has them; directory knows those who sign in."""
    return [name for name in SERVICES if name == "directory" or upstream(name)]


def absent() -> list[str]:
    return [name for name in SERVICES if name != "directory" and not upstream(name)]


async def search(person: Person, certain: list[str], neighbours: Neighbours, actor: str) -> Search:
    """Widens what is known of a person over all services, until no service knows more. ServiceAway if one is away."""
    emails: set[str] = set(certain)
    similar: set[str] = set()
    for _ in range(MOST_ROUNDS):
        before, known = person, set(emails)
        shared = []
        for service in asked():
            request = personal_pb2.FindPersonRequest(
                person=to_wire(person), emails=sorted(emails), certain_emails=certain
            )
            found = await neighbours.call(
                service, f"{SERVICE}/FindPerson", request, personal_pb2.FindPersonResponse, actor=actor
            )
            person = person.joined(from_wire(found.person))
            emails |= set(found.emails)
            similar |= set(found.similar)
            shared += marks_from(found.shared)
        if person == before and emails == known:
            break
    kept = [one for one in person.marks if one not in shared]
    person = replace(person, marks=kept)
    return Search(person, sorted(emails), sorted(similar - set(person.records)))


async def export(person: Person, neighbours: Neighbours, actor: str) -> dict[str, Any]:
    """Everything every service has about a person."""
    document: dict[str, Any] = {"records": person.records, "services": {}, "incomplete": [], "absent": absent()}
    for service in asked():
        request = personal_pb2.ExportPersonRequest(person=to_wire(person))
        answer = await neighbours.call(
            service, f"{SERVICE}/ExportPerson", request, personal_pb2.ExportPersonResponse, actor=actor
        )
        document["services"][service] = msgspec.json.decode(answer.found)
        document["incomplete"] += [service] if answer.incomplete else []
    return document


async def erase_everywhere(data: dict[str, Any], asking: Asking) -> dict[str, Any]:
    """Rounds over all services, until a round finds nothing to change and nothing under way."""
    person = msgspec.convert(data["person"], Person)
    until = asyncio.get_running_loop().time() + PATIENCE_SECONDS
    rounds = changing_rounds = 0
    while True:
        person = (await search(person, [], asking.neighbours, asking.actor)).person
        receipts, changed, waiting = [], 0, []
        for service in asked():
            request = personal_pb2.ErasePersonRequest(
                erasure=data["erasure"], person=to_wire(person), round=changing_rounds
            )
            answer = await _ask(service, request, asking.neighbours, asking.actor)
            receipts.append({"service": service, "counts": _counts(answer)})
            changed += answer.changed
            waiting += [service] if answer.waiting else []
        if not changed and not waiting:
            return data | {"person": msgspec.to_builtins(person), "receipts": receipts, "absent": absent()}
        changing_rounds += 1 if changed else 0
        if asyncio.get_running_loop().time() > until:
            raise ErasureUnderWay(services=", ".join(waiting) or "all")
        await asyncio.sleep(min(PAUSE_SECONDS * 2**rounds, LONGEST_PAUSE_SECONDS))
        rounds += 1


async def preview(person: Person, neighbours: Neighbours, actor: str) -> tuple[list[Receipt], list[str]]:
    """What an erasure would change where, and in which records of others."""
    receipts, touched = [], []
    for service in asked():
        request = personal_pb2.ErasePersonRequest(erasure=new_id(), person=to_wire(person), validate_only=True)
        answer = await _ask(service, request, neighbours, actor)
        receipts.append(Receipt(service=service, counts=Counts(**_counts(answer))))
        touched += answer.touched
    return receipts, touched


async def _ask(
    service: str, request: personal_pb2.ErasePersonRequest, neighbours: Neighbours, actor: str
) -> personal_pb2.ErasePersonResponse:
    method, kind = f"{SERVICE}/ErasePerson", personal_pb2.ErasePersonResponse
    answer = await neighbours.call(service, method, request, kind, actor=actor, deadline_seconds=SECONDS)
    assert isinstance(answer, kind)
    return answer


def _counts(answer: personal_pb2.ErasePersonResponse) -> dict[str, int]:
    return {item.name: getattr(answer.counts, item.name) for item in answer.counts.DESCRIPTOR.fields}


async def complete(data: dict[str, Any], work: Work) -> None:
    erasure = await work.get(Erasure, data["name"])
    person = msgspec.convert(data["person"], Person)
    receipts = [Receipt(service=one["service"], counts=Counts(**one["counts"])) for one in data["receipts"]]
    work.emit(erasure.complete(person, receipts, data["absent"], work.now))
    await work.audit("ERASED", erasure.name, {"erasure": erasure.id, "digest": erasure.digest})


async def fail(data: dict[str, Any], error: CrmError, work: Work) -> None:
    erasure = await work.get(Erasure, data["name"])
    work.emit(erasure.fail(error.message, work.now))


async def shut_out(person: Person, work: Work) -> int:
    """Whoever is erased is out, and no token means them any more. Answers how many changed."""
    users = await work.find(User, id=names_of(person.records, User.collection))
    active = [user for user in users if user.state is State.ACTIVE]
    for user in active:
        work.emit(user.deactivate(at=work.now))
    claims = await work.rows(tables.CLAIMS, names=[user.name for user in users])
    kept = [row["name"] for row in claims if row["subject"] != row["name"]]
    if kept:
        await work.execute(tables.GIVE_UP_SUBJECTS, kept)
        await work.execute(tables.CLAIM_OWN_NAMES, kept)
    return len(active) + len(kept)


def begin(erasure: Erasure, work: Work) -> None:
    """The saga's data name nobody."""
    data = {"name": erasure.name, "erasure": erasure.id, "person": msgspec.to_builtins(erasure.person)}
    work.start_saga(ERASING.kind, erasure.name, "", data)


ERASING = Saga("erasure", (Call("erase_everywhere", erase_everywhere),), complete, fail)
