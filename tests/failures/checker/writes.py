"""The client's journal against the databases: what was acknowledged is there once, what was not, at most once."""

import re
from collections import Counter

from failures.checker.evidence import Findings, Opened

# Where the records of a collection are, and the states that a verb leads to or that may follow.
PLACES = {
    "leads": ("leads", "leads"), "opportunities": ("sales", "opportunities"), "contracts": ("contracts", "contracts"),
    "cases": ("service-desk", "cases"), "orders": ("sales", "orders"), "accounts": ("sales", "accounts"),
}  # fmt: skip
AFTER = {
    "qualify": {"QUALIFIED", "CONVERTING", "CONVERTED"}, "convert": {"CONVERTED"}, "win": {"WON"},
    "submit": {"IN_APPROVAL", "APPROVED", "ACTIVE"}, "approve": {"APPROVED", "ACTIVE"}, "activate": {"ACTIVE"},
}  # fmt: skip
# The answer of these is read again when they are repeated: a saga goes on in between.
READ_AGAIN = {"convert"}


async def check_writes(opened: Opened, findings: Findings) -> None:
    tables = {name: await opened.all(*place) for name, place in PLACES.items()}
    answered = {call["n"]: call for call in opened.calls if call["answered"] is not None}
    for call in opened.calls:
        if call["repeat_of"] is not None:
            _same_answer(call, answered, findings)
        elif call["status"] == 200:
            findings.writes += 1
            for name, verb in _made(call):
                _there(name, verb, call, tables, opened, findings)
    _once(tables, opened, findings)


def _made(call: dict) -> list[tuple[str, str]]:
    """The names of the records that a call's answer promised, each with the verb that was done to it."""
    verb = call["path"].partition(":")[2]
    if verb == "import":
        return [(result["lead"], "") for result in call["answer"]["results"] if result["lead"]]
    return [(call["answer"]["name"], verb)] if "name" in call["answer"] else []


def _there(name: str, verb: str, call: dict, tables: dict, opened: Opened, findings: Findings) -> None:
    collection, _, key = name.partition("/")
    if collection not in tables:
        return
    row = tables[collection].get(key)
    if name in opened.named:
        findings.excused += 1
    elif row is None:
        findings.lost.append(f"{name}: call {call['n']} {call['path']} was acknowledged, but there is no such record")
    elif verb in AFTER and row["state"] not in AFTER[verb]:
        findings.lost.append(f"{name}: call {call['n']} :{verb} was acknowledged, but it is {row['state']}")


def _same_answer(call: dict, answered: dict, findings: Findings) -> None:
    first = answered.get(call["repeat_of"])
    if call["answered"] is None or first is None:
        return
    verb = call["path"].partition(":")[2]
    same = call["answer"].get("name") == first["answer"].get("name")
    if verb not in READ_AGAIN:
        same = (call["status"], call["answer"]) == (first["status"], first["answer"])
    if not same:
        findings.doubled.append(
            f"call {first['n']} {call['path']} was repeated with its key and answered differently:"
            f" {str(first['answer'])[:200]} and {str(call['answer'])[:200]}"
        )


def _once(tables: dict, opened: Opened, findings: Findings) -> None:
    """Whatever the journal says of a call, its record is there at most once."""
    for collection, column in (("leads", "display_name"), ("accounts", "display_name"), ("cases", "display_name")):
        names = Counter(row[column] for row in tables[collection].values())
        for name, count in names.items():
            if count > 1 and re.match(r"(Lead|Row|Account|Case) ", name):
                findings.doubled.append(f"{collection}: {count} records are called {name!r}")
    orders = Counter((row["system"], row["order_number"]) for row in tables["orders"].values())
    findings.doubled += [f"orders: {count} have the number {key}" for key, count in orders.items() if count > 1]
    deals = Counter(row["opportunity"] for row in tables["contracts"].values() if row["opportunity"])
    findings.doubled += [f"contracts: {count} for {deal}" for deal, count in deals.items() if count > 1]
