"""An import that is taken back: begun, waited for, and what it left fetched."""

from dataclasses import dataclass

from rich.console import Console

from crmctl.connection import Client
from crmctl.operations import followed
from crmctl.suite import Suite


@dataclass(frozen=True)
class Ended:
    """How many leads were taken back and left; the file about those left; whether the operation came to its end."""

    taken_back: int
    left: int
    file: bytes
    whole: bool


async def revert_import(client: Client, import_id: str, console: Console) -> Ended:
    """Raises Refused if there is nothing of that import to take back."""
    async with Suite(client) as suite:
        begun = await suite.post("/v1/leads:revertImport", {"importId": import_id}, once=False)
        found = await followed(suite, begun["name"], console)
        done, left, whole = int(found["doneItems"]), int(found["failedItems"]), found["state"] == "SUCCEEDED"
        parts = range(int(found["partCount"]) if whole else 0)
        file = [await suite.document(f"/v1/{found['name']}:download", part=part) for part in parts]
        return Ended(done - left, left, b"".join(file), whole)
