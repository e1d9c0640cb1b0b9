"""What each service does when others speak, counted again from the originals: there once, and saying the same."""

from collections import Counter
from collections.abc import Mapping
from typing import Any

from failures.checker.evidence import Findings, Opened

OPEN = ("NEW", "ASSIGNED", "WORKING", "QUALIFIED")  # leads that somebody still has to call
Facts = dict[str, tuple[Any, ...]]  # name of a record → what is said of it


async def check_effects(opened: Opened, findings: Findings) -> None:
    """All reactions but insights', which is compared with a rebuild."""
    leads = await opened.all("leads", "leads")
    accounts = await opened.all("sales", "accounts")
    deals = await opened.all("sales", "opportunities")
    contracts = await opened.all("contracts", "contracts")
    cases = await opened.all("service-desk", "cases")
    effects = Effects(opened, findings)
    await effects.members()
    for service in ("contracts", "service-desk"):
        copies = await opened.all(service, "accounts")
        columns = ("display_name", "owner", "team")
        effects.same(service, "knows", _facts("accounts", copies, *columns), "accounts", accounts, *columns)
    await effects.marketing(leads, accounts)
    await effects.subjects({"leads": leads, "contracts": contracts, "cases": cases})
    await effects.follow_ups(leads)
    await effects.entitlements(contracts, cases)
    for key, row in deals.items():
        if row["state"] == "WON" and key not in contracts and "contracts" in opened.databases:
            effects.lack(f"opportunities/{key}", f"opportunities/{key} is won and has no contract", f"contracts/{key}")


class Effects:
    """Compares; what reconciliation named is excused."""

    def __init__(self, opened: Opened, findings: Findings) -> None:
        self._opened, self._findings = opened, findings

    def lack(self, name: str, said: str, *also: str) -> None:
        if not self._opened.named & {name, *also}:
            self._findings.unapplied.append(said)

    def same(self, who: str, verb: str, told: Facts, collection: str, rows: Mapping[str, Any], *columns: str) -> None:
        """What `who` was told about the records of a collection is what their own service says of them."""
        if who not in self._opened.databases:
            return
        originals = _facts(collection, rows, *columns)
        for name, fact in originals.items():
            if name not in told:
                self.lack(name, f"{who} never noted {name}")
            elif told[name] != fact and name not in self._opened.named:
                self._findings.differing.append(f"{who} {verb} {name} as {told[name]}, it is {fact}")
        for name in told.keys() - originals.keys() - self._opened.named:
            if name.startswith(f"{collection}/"):
                self._findings.orphans.append(f"{who} {verb} {name}, which does not exist")

    async def members(self) -> None:
        """Who there is, with which roles, as directory says."""
        people: Facts = {}
        for collection in ("users", "service_accounts"):
            for row in await self._opened.rows("directory", f"SELECT * FROM {collection}"):
                name = f"{'users' if collection == 'users' else 'serviceAccounts'}/{row['id']}"
                account = row["account"] if collection == "users" else ""
                people[name] = (row["team"], row["roles"], row["state"] == "ACTIVE", account)
        for service in self._opened.databases:
            rows = await self._opened.rows(service, "SELECT * FROM member")
            told = {row["name"]: (row["team"], row["roles"], row["active"], row["account"]) for row in rows}
            for name, fact in people.items():
                if told.get(name) != fact:
                    self._findings.differing.append(f"{service} believes {told.get(name)} of {name}, it is {fact}")

    async def marketing(self, leads: Mapping[str, Any], accounts: Mapping[str, Any]) -> None:
        """By which channel leads, customers and orders came, and whose they are."""
        orders = await self._opened.all("sales", "orders")
        became = {key: row for key, row in accounts.items() if row["customer_time"]}
        rows = await self._opened.rows("marketing", "SELECT * FROM lead_sources")
        told = {row["lead"]: (row["channel"], row["owner"], row["team"]) for row in rows}
        self.same("marketing", "counts", told, "leads", leads, "channel", "owner", "team")
        rows = await self._opened.rows("marketing", "SELECT * FROM known_customers")
        told = {row["account"]: (row["channel"], row["owner"], row["team"]) for row in rows}
        self.same("marketing", "counts", told, "accounts", became, "channel", "owner", "team")
        rows = await self._opened.rows("marketing", "SELECT * FROM known_orders")
        told = {row["order_name"]: (row["channel"], row["amount"], row["currency"], row["owner"]) for row in rows}
        self.same("marketing", "counts", told, "orders", orders, "channel", "amount", "amount_currency", "owner")

    async def subjects(self, collections: Mapping[str, Mapping[str, Any]]) -> None:
        """Whose the records are that activities may be about."""
        rows = await self._opened.rows("sales", "SELECT * FROM subjects")
        told = {row["name"]: (row["owner"], row["team"]) for row in rows}
        for collection, originals in collections.items():
            self.same("sales", "knows", told, collection, originals, "owner", "team")

    async def follow_ups(self, leads: Mapping[str, Any]) -> None:
        """An assigned lead has one call planned, by its assignee; a closed one has none."""
        if "sales" not in self._opened.databases:
            return
        rows = await self._opened.rows("sales", "SELECT * FROM activities WHERE follow_up AND state = 'PLANNED'")
        planned = Counter((row["subject"], row["owner"]) for row in rows)
        for (name, owner), count in planned.items():
            if count > 1:
                self._findings.doubled.append(f"sales: {count} calls are planned with {name} by {owner}")
        for key, row in leads.items():
            name = f"leads/{key}"
            expected = {row["owner"]} if row["state"] in OPEN and row["assign_time"] and row["owner"] else set()
            found = {owner for (subject, owner) in planned if subject == name}
            if found != expected:
                self.lack(name, f"{name} is {row['state']}, {found or 'nobody'} is to call, not {expected or 'nobody'}")

    async def entitlements(self, contracts: Mapping[str, Any], cases: Mapping[str, Any]) -> None:
        """Each term of an active contract entitles once, and a case that is covered knows it."""
        if "service-desk" not in self._opened.databases:
            return
        rows = await self._opened.all("service-desk", "entitlements")
        granted = Counter(row["contract"] for row in rows.values())
        for key, row in contracts.items():
            name, terms = f"contracts/{key}", row["entitlement_terms"].count('"entitlement"')
            expected = terms if row["state"] == "ACTIVE" else 0
            if granted[name] > expected and name not in self._opened.named:
                self._findings.doubled.append(f"service-desk: {granted[name]} entitlements of {name}, not {expected}")
            elif granted[name] < expected:
                self.lack(name, f"{name} is active and service-desk has {granted[name]} entitlements of it")
        for key, case in cases.items():
            covered = [row for row in rows.values() if row["account"] == case["account"] and _covers(row, case)]
            if case["unentitled"] and case["state"] != "RESOLVED" and covered:
                self.lack(f"cases/{key}", f"cases/{key} is covered by {covered[0]['contract']} and does not know it")


def _facts(collection: str, rows: Mapping[str, Any], *columns: str) -> Facts:
    return {f"{collection}/{key}": tuple(row[column] for column in columns) for key, row in rows.items()}


def _covers(entitlement: Any, case: Any) -> bool:
    end = entitlement["end_time"]
    return entitlement["start_time"] <= case["open_time"] and (end is None or case["open_time"] < end)
