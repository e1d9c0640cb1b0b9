"""Suppression: addresses nobody writes to, kept as keyed hashes, also of people who were erased."""

from chassis.personal_data import PrivacyKeyMissing
from chassis.persons import MarkKind, Person, address, keyed_hash
from chassis.work import Work
from crm.marketing.v1 import marketing_pb2

from marketing.domain import Suppression, SuppressionReason

ID_LENGTH = 40  # hex digits: 160 bits of the hash, which a resource name can hold
Result = marketing_pb2.CheckSuppressionsResponse.Result


def id_of_hash(digest: bytes) -> str:
    return digest.hex()[:ID_LENGTH]


def id_of_address(email: str, work: Work) -> str:
    if not work.context.privacy_key:
        raise PrivacyKeyMissing(service=work.context.service)
    return id_of_hash(keyed_hash(work.context.privacy_key, MarkKind.EMAIL, address(email)))


async def suppress(email: str, reason: SuppressionReason, work: Work) -> Suppression:
    found = await work.get_or_add(Suppression(id=id_of_address(email, work)))
    for event in found.suppress(reason, work.now):
        work.emit(event)
    return found


async def check(emails: list[str], work: Work) -> marketing_pb2.CheckSuppressionsResponse:
    ids = [id_of_address(email, work) for email in emails]
    known = {one.id: one for one in await work.find(Suppression, id=sorted(set(ids))) if not one.lift_time}
    return marketing_pb2.CheckSuppressionsResponse(
        results=[
            Result(suppressed=True, reason=known[one].reason.value) if one in known else Result()  # type: ignore[arg-type]
            for one in ids
        ]
    )


async def suppress_erased(person: Person, work: Work) -> int:
    """Nobody writes to somebody who was erased. What was suppressed before keeps its reason."""
    suppressed = 0
    for mark in person.marks:
        if mark.kind is MarkKind.EMAIL:
            found = await work.get_or_add(Suppression(id=id_of_hash(mark.digest)))
            for event in found.suppress(SuppressionReason.ERASED, work.now):
                work.emit(event)
                suppressed += 1
    return suppressed
