"""What an erasure means for contracts: a document that named the person is printed anew, and the old one removed."""

from chassis.erasing import Forgetting
from chassis.events import message_class
from chassis.work import Context, Work
from obstore.exceptions import BaseError

from contracts import files, tables
from contracts.domain import Contract
from contracts.printing import MEDIA_TYPE
from contracts.rpc import print_contract


async def print_anew(contract: Contract, work: Work) -> int:
    """The wording changed with the erasure: whatever was printed of this contract before is given up, and what it
    stands by now is printed without the person. Answers how many documents that concerns."""
    if not isinstance(contract, Contract):
        return 0
    old = await _printed(contract, work)
    if contract.content_hash:
        document = await print_contract(contract, work)
        contract.content_hash = await files.put(document)
        await work.execute(tables.KEEP_DOCUMENT, contract.content_hash, len(document), MEDIA_TYPE, work.now)
    given_up = sorted(old - {contract.content_hash})
    await work.execute(tables.GIVE_UP_DOCUMENTS, given_up)
    return len(given_up)


async def _printed(contract: Contract, work: Work) -> set[str]:
    """The hashes of every document that was ever printed of a contract."""
    found = {contract.content_hash}
    for row in await work.context.database.fetch(tables.TOLD, [contract.name], work.connection):
        found.add(message_class(row["type"]).FromString(row["payload"]).contract.content_hash)  # type: ignore[attr-defined]
    return found - {""}


async def remove_given_up(context: Context) -> int:
    """Removes documents that were given up; how many could not be."""
    left = 0
    for row in await context.database.fetch(tables.GIVEN_UP, []):
        try:
            await files.remove(row["content_hash"])
        except (BaseError, OSError):
            left += 1
            continue
        await context.database.fetch(tables.FORGET_DOCUMENT, [row["content_hash"]])
    return left


FORGETTING = Forgetting(record=print_anew, files=remove_given_up)
