"""A good call for every operation: records in the state that a verb needs, made through the public API.

What is fuzzed without them hardly gets past validation; with them each operation is also changed in one place only.
"""

import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from crmctl.connection import Client, Refused

EUROS = {"currencyCode": "EUR", "units": "10", "nanos": 500_000_000}
KNOWN_SECONDS, NOT_YET = 30, "not known here (yet)"
LATER = "2030-01-02T03:04:05Z"


@dataclass
class Call:
    """One request: values of the path's variables by collection, query parameters, body."""

    names: list[str] = field(default_factory=list)
    query: dict[str, Any] = field(default_factory=dict)
    body: dict[str, Any] | None = None


def fresh(text: str = "Fuzzed") -> str:
    return f"{text} {uuid.uuid4().hex[:12]}"


def _wait(ask: Callable[[], dict[str, Any]], too_early: Callable[[Refused], bool]) -> dict[str, Any]:
    """The answer, once services have heard of what it is about."""
    until = time.monotonic() + KNOWN_SECONDS
    while True:
        try:
            return ask()
        except Refused as refused:
            if not too_early(refused) or time.monotonic() > until:
                raise
        time.sleep(0.1)


class World:
    """Makes records as an administrator; each is new, so that no state was used up before."""

    def __init__(self, client: Client) -> None:
        self._client = client
        # The administrator writes contracts; somebody else has to approve them.
        self._approver = client.acting_as(self.made("users", displayName=fresh(), roles=["administrator"]))
        _wait(lambda: self._approver.get("/v1/contracts"), lambda refused: refused.status == 401)

    def made(self, collection: str, **body: Any) -> str:
        """A new record. What it refers to may be so new that another service has yet to hear of it."""
        made = _wait(lambda: self._client.post(f"/v1/{collection}", body), lambda refused: NOT_YET in str(refused))
        return made["name"]

    def after(self, name: str, *verbs: str, **body: Any) -> str:
        """The record after some verbs, of which the last takes `body`."""
        for verb in verbs:
            self._client.post(f"/v1/{name}:{verb}", body if verb == verbs[-1] else {})
        return name

    # ---- records, one function each

    def account(self) -> str:
        return self.made("accounts", displayName=fresh())

    def known_account(self) -> str:
        """An account that contracts and the service desk have heard of: they have a record about it."""
        account = self.account()
        self.made("contracts", displayName=fresh(), account=account)
        self.made("cases", displayName=fresh(), account=account)
        return account

    def contact(self) -> str:
        return self.made("contacts", displayName=fresh(), account=self.account())

    def lead(self) -> str:
        """One that meets every checklist: the fuzzer changes the company's."""
        given = {"company": "Rosa", "email": "rosa@example.org", "phone": "+351211234567", "note": "wants an oven"}
        return self.made("leads", displayName=fresh(), owner="users/admin", **given)

    def deal(self) -> str:
        return self.made("opportunities", displayName=fresh(), account=self.account())

    def activity(self) -> str:
        about = {"subject": self.account(), "dueTime": LATER, "expectedOutcome": "An answer"}
        return self.made("activities", displayName=fresh(), **about)

    def order(self) -> str:
        return self.made("orders", account=self.account(), system="sap", orderNumber=uuid.uuid4().hex, amount=EUROS)

    def case(self) -> str:
        return self.made("cases", displayName=fresh(), account=self.account())

    def contract(self) -> str:
        return self.made("contracts", displayName=fresh(), account=self.account())

    def submitted(self) -> str:
        return self.after(self.contract(), "submit")

    def approved(self) -> str:
        name = self.submitted()
        self._approver.post(f"/v1/{name}:approve", {})
        return name

    def submitted_by_another(self) -> str:
        """A contract that the administrator had no hand in."""
        account = self.known_account()
        name = self._approver.post("/v1/contracts", {"displayName": fresh(), "account": account})["name"]
        self._approver.post(f"/v1/{name}:submit", {})
        return name

    def template(self) -> str:
        return self.made("contractTemplates", displayName=fresh(), sections=[{"text": "For {customer}."}])

    def user(self) -> str:
        return self.made("users", displayName=fresh())

    def service_account(self) -> str:
        return self.made("serviceAccounts", displayName=fresh())

    def team(self) -> str:
        return self.made("teams", displayName=fresh())

    def channel(self) -> str:
        return self.made("channels", displayName=fresh())

    def landing_page(self) -> str:
        return self.made("landingPages", displayName=fresh())

    def pipeline(self) -> str:
        return self.made("pipelines", displayName=fresh(), stages=self.stages())

    def spend(self) -> str:
        return self.made("spendEntries", **self.spending())

    def touch(self) -> str:
        return self.made("touches", channel=self.channel())

    def entitlement(self) -> str:
        found = self._client.get("/v1/entitlements", pageSize=1)["entitlements"]
        return found[0]["name"]

    def customer(self) -> str:
        return self._client.get("/v1/customers", pageSize=1)["customers"][0]["name"]

    # ---- parts

    def suppression(self) -> str:
        return self.made("suppressions", email=f"{uuid.uuid4().hex}@example.org", reason="MANUAL")

    def address(self) -> str:
        """An e-mail address that somebody has."""
        email = f"{uuid.uuid4().hex}@example.org"
        self.made("leads", displayName=fresh(), email=email)
        return email

    def erasure(self) -> str:
        """One that has ended."""
        name = self.made("erasures", emails=[self.address()])
        until = time.monotonic() + KNOWN_SECONDS
        while self._client.get(f"/v1/{name}")["state"] == "RUNNING" and time.monotonic() < until:
            time.sleep(0.1)
        return name

    def stages(self) -> list[dict[str, Any]]:
        return [{"stage": "first", "probability": 0.1}, {"stage": "second", "probability": 0.5}]

    def spending(self) -> dict[str, Any]:
        return {"channel": self.channel(), "spendDate": {"year": 2026, "month": 1, "day": 31}, "amount": EUROS}

    def next_stage(self) -> str:
        return "proposal"


# The record whose name stands in the path, by collection.
IN_PATH: dict[str, Callable[[World], str]] = {
    "accounts": World.account, "contacts": World.contact, "leads": World.lead, "opportunities": World.deal,
    "activities": World.activity, "orders": World.order, "cases": World.case, "contracts": World.contract,
    "contractTemplates": World.template, "users": World.user, "serviceAccounts": World.service_account,
    "teams": World.team, "channels": World.channel, "landingPages": World.landing_page, "pipelines": World.pipeline,
    "spendEntries": World.spend, "touches": World.touch, "entitlements": World.entitlement,
    "customers": World.customer, "erasures": World.erasure, "suppressions": World.suppression,
}  # fmt: skip
# Where the verb needs another state than that of a new record.
STATES: dict[str, Callable[[World], str]] = {
    "RestoreAccount": lambda w: w.after(w.account(), "archive"),
    "RestoreContact": lambda w: w.after(w.contact(), "archive"),
    "RestoreLead": lambda w: w.after(w.lead(), "archive"),
    "RestoreOpportunity": lambda w: w.after(w.deal(), "archive"),
    "ReactivateUser": lambda w: w.after(w.user(), "deactivate"),
    "ReactivateServiceAccount": lambda w: w.after(w.service_account(), "deactivate"),
    "QualifyLead": lambda w: w.after(w.lead(), "logCall", outcome="REACHED"),
    "ConvertLead": lambda w: w.after(w.after(w.lead(), "logCall", outcome="REACHED"), "qualify"),
    "ApproveContract": World.submitted_by_another,
    "RejectContract": World.submitted,
    "ActivateContract": World.approved,
    "ReopenCase": lambda w: w.after(w.case(), "resolve", solution="Done."),
}
# What must be said, besides the name.
BODIES: dict[str, Callable[[World], dict[str, Any]]] = {
    "CreateContractTemplate": lambda w: {"displayName": fresh(), "sections": [{"heading": "A", "text": "{amount}"}]},
    "CreateContract": lambda w: {"displayName": fresh(), "account": w.known_account(), "amount": EUROS},
    "CreateContact": lambda w: {"displayName": fresh(), "account": w.account()},
    "CreateOpportunity": lambda w: {"displayName": fresh(), "account": w.account(), "amount": EUROS},
    "CreatePipeline": lambda w: {"displayName": fresh(), "stages": w.stages()},
    "CreateSpendEntry": World.spending,
    "CreateTouch": lambda w: {"channel": w.channel()},
    "BatchCreateTouches": lambda w: {"touches": [{"channel": w.channel()}]},
    "ImportLeads": lambda w: {"leads": [{"displayName": fresh()}]},
    "RecordOrder": lambda w: {
        "account": w.account(), "system": "sap", "orderNumber": uuid.uuid4().hex, "amount": EUROS,
        "lines": [{"product": "oven", "quantity": 1, "amount": EUROS}],
    },
    "CreateActivity": lambda w: {
        "displayName": fresh(), "subject": w.account(), "dueTime": LATER, "expectedOutcome": "An answer",
    },
    "OpenCase": lambda w: {"displayName": fresh(), "account": w.known_account()},
    "AssignLead": lambda w: {"owner": "users/admin"},
    "AssignCase": lambda w: {"owner": "users/admin"},
    "LogCall": lambda w: {"outcome": "REACHED"},
    "DisqualifyLead": lambda w: {"reason": "no_budget"},
    "RejectContract": lambda w: {"reason": "Too dear."},
    "AdvanceOpportunity": lambda w: {"stage": w.next_stage()},
    "LoseOpportunity": lambda w: {"reason": "too_expensive"},
    "CompleteActivity": lambda w: {"outcome": "Done."},
    "ResolveCase": lambda w: {"solution": "Done."},
    "ReopenCase": lambda w: {"reason": "Not done."},
    "UpdateLeadSettings": lambda w: {},
    "CreateErasure": lambda w: {"emails": [w.address()]},
    "ExportPersonalData": lambda w: {"emails": [f"{uuid.uuid4().hex}@example.org"]},
    "SuppressAddress": lambda w: {"email": f"{uuid.uuid4().hex}@example.org", "reason": "MANUAL"},
    "CheckSuppressions": lambda w: {"emails": [f"{uuid.uuid4().hex}@example.org"]},
}  # fmt: skip


def good_call(world: World, operation_id: str, path: str, has_body: bool) -> Call:
    """A call that the operation answers with 200."""
    parts = path.removeprefix("/v1/").split("/")
    names = []
    if len(parts) > 1 and parts[1].startswith("{"):
        make = STATES.get(operation_id) or IN_PATH[parts[0]]
        names = [make(world)]
    body = None
    if has_body:
        default: Callable[[World], dict[str, Any]] = lambda w: {}  # noqa: E731 - an empty body is an answer, too
        if operation_id.startswith("Create") or operation_id.startswith("Update"):
            default = lambda w: {"displayName": fresh()}  # noqa: E731
        body = BODIES.get(operation_id, default)(world)
    return Call(names, {}, body)
