"""The client's journal against the databases: what was acknowledged is there once, what was not, at most once.

After everything was restored from a backup: what was acknowledged before its cut is there; of what came later each call
is there or not, none by half, and none without the calls of its story that were answered before it.
"""

import re
from collections import Counter, defaultdict

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
    stories: dict[str, list[tuple[dict, bool]]] = defaultdict(list)
    for call in opened.calls:
        if call["repeat_of"] is not None:
            _same_answer(call, answered, findings)
        elif call["status"] == 200:
            findings.writes += 1
            made = [one for one in _made(call) if one[0].partition("/")[0] in tables]
            missing = [said for name, verb in made if (said := _missing(name, verb, call, tables, opened, findings))]
            _judge(call, len(made), missing, opened, findings)
            if made:
                stories[call["story"]].append((call, not missing))
    for calls in stories.values():
        _in_order(calls, findings)
    _once(tables, opened, findings)


def _judge(call: dict, made: int, missing: list[str], opened: Opened, findings: Findings) -> None:
    if call["answered"] < opened.cut:
        findings.lost += missing
    elif len(missing) == made:
        findings.beyond += made > 0
    elif missing:
        findings.lost += [f"call {call['n']} came after the cut and is half there: {said}" for said in missing]


def _in_order(calls: list[tuple[dict, bool]], findings: Findings) -> None:
    """A story's calls were made one after the other, in several services: of those the first ones are there."""
    absent = None
    for call, there in sorted(calls, key=lambda pair: pair[0]["n"]):
        if not there:
            absent = absent or call
        elif absent:
            findings.lost.append(
                f"story {call['story']}: call {call['n']} {call['path']} is there, but not call {absent['n']}"
                f" {absent['path']}, which was answered before it was made"
            )


def _made(call: dict) -> list[tuple[str, str]]:
    """The names of the records that a call's answer promised, each with the verb that was done to it."""
    verb = call["path"].partition(":")[2]
    if verb == "import":
        return [(result["lead"], "") for result in call["answer"]["results"] if result["lead"]]
    return [(call["answer"]["name"], verb)] if "name" in call["answer"] else []


def _missing(name: str, verb: str, call: dict, tables: dict, opened: Opened, findings: Findings) -> str:
    """What is not as the call's answer said."""
    collection, _, key = name.partition("/")
    row = tables[collection].get(key)
    if name in opened.named:
        findings.excused += 1
    elif row is None:
        return f"{name}: call {call['n']} {call['path']} was acknowledged, but there is no such record"
    elif verb in AFTER and row["state"] not in AFTER[verb]:
        return f"{name}: call {call['n']} :{verb} was acknowledged, but it is {row['state']}"
    return ""


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
