"""A customer's first steps through the gateway, to see that an installation works: what `helm test` does."""

import time
from collections.abc import Callable
from typing import Any, TypeVar

from crmctl.connection import Client
from crmctl.problem import Problem

SECONDS = 60.0  # for each step that others take by events
PAUSE_SECONDS = 0.2
NOBODY = "Smoke test (nobody)"

T = TypeVar("T")


def play(client: Client, tell: Callable[[str], None]) -> None:
    """A lead comes, is qualified and converted, and its story is told; then the deal is lost and all is archived.
    `tell` gets a line for each step. Raises Problem, naming the step that did not work."""
    owner = next((one["name"] for one in client.each("/v1/users", "users") if _sells(one)), "")
    given = {"owner": owner} if owner else {}
    lead = client.post("/v1/leads", {"displayName": NOBODY, "company": NOBODY, **given})["name"]
    tell(f"leads took a lead in: {lead}")
    if not owner:
        client.post(f"/v1/{lead}:archive", {})
        tell("That far it works. Nobody sells here yet; with a salesperson the whole way is tried.")
        return
    client.post(f"/v1/{lead}:qualify", {"note": NOBODY})
    client.post(f"/v1/{lead}:convert", {})
    made = _until(lambda: _converted(client.get(f"/v1/{lead}")), "sales makes a customer of the lead")
    account, deal = made["account"], made["opportunity"]
    tell(f"sales made a customer of it: {account}")
    customer = account.replace("accounts/", "customers/")
    told = _until(lambda: client.get(f"/v1/{customer}/timeline").get("entries"), "insights tells the customer's story")
    tell(f"insights tells its story so far: {len(told)} entries")
    client.post(f"/v1/{deal}:lose", {"reason": "other", "note": NOBODY})
    for record in (deal, account, lead):
        client.post(f"/v1/{record}:archive", {})
    tell("It works. What was made is archived.")


def _sells(user: dict[str, Any]) -> bool:
    return user.get("state") == "ACTIVE" and bool({"salesperson", "sales_manager"} & set(user.get("roles", [])))


def _converted(lead: dict[str, Any]) -> dict[str, Any] | None:
    return lead if lead["state"] == "CONVERTED" and lead.get("opportunity") else None


def _until(look: Callable[[], T | None], step: str) -> T:
    """What `look` finds, when it finds something; what does not exist yet is waited for."""
    end = time.monotonic() + SECONDS
    while True:
        try:
            found = look()
        except Problem as problem:
            if getattr(problem, "status", 0) not in (403, 404) or time.monotonic() > end:
                raise
            found = None
        if found:
            return found
        if time.monotonic() > end:
            raise Problem(
                f"After {SECONDS:.0f} seconds this has not happened: {step}. Is everybody ready? Is NATS there?"
            )
        time.sleep(PAUSE_SECONDS)
