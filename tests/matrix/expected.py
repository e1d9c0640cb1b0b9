"""What each cell of the matrix shall answer: from roles.toml and the contract alone; the code under test is not asked.

A cell is a role, a call, and the place of the record it is about, seen from somebody of that role.
"""

import tomllib
from pathlib import Path

from crm.options.v1 import options_pb2
from gateway.contract import Contract, Rpc
from gateway.settings import descriptors

ROOT = Path(__file__).parents[2]
ALLOWED, FORBIDDEN, INVISIBLE, REFUSED = "allowed", "forbidden", "invisible", "refused"
GIVEN = tomllib.loads((ROOT / "chassis/chassis/roles.toml").read_text())
ROLES = sorted(set(GIVEN) - {"service"})
CONTRACT = Contract(descriptors())
PERMISSION = {
    f"{file.package}.{service.name}/{method.name}": method.options.Extensions[options_pb2.permission]
    for file in CONTRACT.files.file
    for service in file.service
    for method in service.method
}
# Whose the record is: the caller's own, a colleague's in the same team, somebody's in the team below, somebody's of
# another team; and that stranger's again, but about the account that a person of a customer is bound to.
PLACES = ("own", "colleague", "below", "foreign", "customer")
COVERS = {
    "own": {"own"},
    "team": {"own", "colleague"},
    "subtree": {"own", "colleague", "below"},
    "all": set(PLACES),
    "customer": {"customer"},
}
# People of a customer see these kinds, and nothing else there is.
FOR_CUSTOMERS = {"account", "order", "active contract", "case", "resolved case", "entitlement"}
# To name an account in a new record one must be able to read it.
READS_ACCOUNTS = "accounts.read"


def permission(rpc: Rpc) -> str:
    return PERMISSION[rpc.path.removeprefix("/")]


def reach(role: str, wanted: str) -> str:
    """How far the role reaches with a permission; empty if it has none."""
    return GIVEN[role].get(wanted) or GIVEN[role].get("*", "")


def sees(role: str, wanted: str, kind: str, place: str) -> bool:
    """Whether somebody of this role finds a record of this kind at this place."""
    far = reach(role, wanted)
    if not far or (far == "customer" and kind not in FOR_CUSTOMERS):
        return False
    return place in COVERS[far]


def outcome(rpc: Rpc, role: str, how: str, kind: str, place: str) -> str:
    """What a call answers. `how` it is about the record: the `target` of the call, the `account` a new record is made
    for, the `owner` a new record is given to; or it is about no such record at all (`nothing`)."""
    wanted = permission(rpc)
    far = reach(role, wanted)
    if rpc.anonymous:  # whoever asks, with a token or without
        return ALLOWED
    if not far:
        return FORBIDDEN
    if how == "nothing":
        return ALLOWED
    if how == "catalogue":  # what has no owner is there for everybody who works here
        return INVISIBLE if far == "customer" else ALLOWED
    if how == "owner":
        return ALLOWED if place in COVERS[far] else REFUSED
    if how == "account":
        return ALLOWED if sees(role, READS_ACCOUNTS, "account", place) else REFUSED
    if not sees(role, wanted, kind, place):
        return INVISIBLE
    if rpc.name == "DownloadLeadOperation":  # made by its owner's rights: for nobody else, however far they reach
        return REFUSED if place == "own" else INVISIBLE  # the owner is told that this one made no file
    if rpc.name == "ApproveContract" and place == "own":
        return REFUSED  # nobody approves what is his own
    return ALLOWED
