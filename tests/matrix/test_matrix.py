"""Every public call, by somebody of every role, about a record at every place, over REST and over gRPC.

What must come out is worked out by `expected` from roles.toml and the contract; the code under test is not asked.
"""

import asyncio
import re
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Any

import pytest
from chassis.identity import Caller, Reach
from expected import ALLOWED, CONTRACT, FOR_CUSTOMERS, INVISIBLE, PLACES, ROLES, outcome, permission, reach, sees
from recipes import RECIPES, Cell
from stage import OUTCOMES, open_stage, owner_at, person

from chassis import identity, lists

CHANNELS = ("REST", "gRPC")
AT_ONCE = 8  # a service has as many connections
READS = ("Get", "List", "Export")


@pytest.fixture(scope="module")
async def stage(backend, issuer):
    async with open_stage(backend, issuer) as running:
        yield running


@dataclass(frozen=True)
class Try:
    """One cell over one channel: what is asked, by whom, and what should come of it."""

    rpc: Any
    role: str
    place: str
    channel: str
    request: Any
    expected: str
    name: str  # of the record it is about


def places(how: str) -> Iterable[str]:
    """Where the record may lie; what belongs to nobody lies nowhere."""
    return PLACES if how in ("target", "account", "owner") else ("own",)


def ask(rpc: Any, fields: dict[str, Any], name: str) -> Any:
    """The request; an Update has the name in its record."""
    request = rpc.request_class(**fields)
    names = rpc.request.fields_by_name
    if name and "update_mask" in names:
        getattr(request, rpc.request.fields[0].name).name = name
    elif name and not fields.get("name"):
        setattr(request, "name" if "name" in names else "parent", name)
    return request


async def tries(stage, rpcs, roles=ROLES) -> list[Try]:
    """All cells of these calls. A call that changes something gets a record of its own in every cell."""
    found, stored = [], []
    for rpc in rpcs:
        recipe = RECIPES[rpc.name]
        for role in roles:
            for place in places(recipe.how):

                def beside(kind: str, place: str = place, role: str = role, **given: Any) -> str:
                    stored.append((kind, replace(stage.copy(kind, place, role), **given)))
                    return str(stored[-1][1].name)

                whose = person(role), owner_at(place, role), stage.account(place, role)
                expected = outcome(rpc, role, recipe.how, recipe.kind, place)
                for channel in CHANNELS[: 1 if rpc.anonymous else 2]:
                    name = ""
                    if recipe.how == "target" and rpc.name.startswith(READS):
                        name = stage.record(recipe.kind, place, role).name
                    elif recipe.how in ("target", "catalogue"):
                        record = stage.copy(recipe.kind, place, role)
                        stored.append((recipe.kind, record))
                        name = record.name
                    request = ask(rpc, dict(recipe.fields(Cell(*whose, name, beside))), name)
                    asked = getattr(request, "name", "") or name
                    found.append(Try(rpc, role, place, channel, request, expected, asked))
    await stage.store(stored)
    return found


async def turned_out(stage, attempts: list[Try]) -> list[tuple[Try, str, str]]:
    """Each with its outcome and what was said."""
    gate = asyncio.Semaphore(AT_ONCE)

    async def one(attempt: Try) -> tuple[Try, str, str]:
        call = stage.rest if attempt.channel == "REST" else stage.grpc
        async with gate:
            status, said, _ = await call(attempt.rpc, attempt.request, person(attempt.role))
        return attempt, OUTCOMES.get(status, f"{status}"), said

    return await asyncio.gather(*map(one, attempts))


def wrong(found: list[tuple[Try, str, str]]) -> list[str]:
    return [
        f"{one.channel} {one.rpc.name} by {one.role} about {one.place}: {got}, expected {one.expected}: {said[:200]}"
        for one, got, said in found
        if got != one.expected
    ]


def public(*names: str) -> list[Any]:
    return [rpc for rpc in CONTRACT.public if not names or rpc.name in names]


def test_every_public_call_has_a_recipe():
    """A new call has to be tried before it is served."""
    assert {rpc.name for rpc in CONTRACT.public} == set(RECIPES)


def test_every_role_and_reach_is_in_the_matrix():
    assert len(ROLES) == 15
    assert {reach(role, permission(rpc)) for role in ROLES for rpc in CONTRACT.public if not rpc.anonymous} == {
        "", "own", "team", "subtree", "all", "customer",
    }  # fmt: skip


# ---- lists first: afterwards the matrix has made more records

# What a list shows: its records' kind, and the columns of them it can be filtered by.
LISTED = {
    "Leads": (
        "leads",
        ["lead", "assigned lead", "qualified lead", "disqualified lead", "nurtured lead", "converted lead"],
    ),
    "LeadResponses": ("leadResponses", ["lead response"]),
    "Interactions": ("interactions", ["interaction"]),
    "CadenceEnrolments": ("cadenceEnrolments", ["cadence enrolment"]),
    "Notifications": ("notifications", ["notification"]),
    "LeadOperations": ("operations", ["lead operation"]),
    "LeadBulkEdits": ("leadBulkEdits", ["bulk edit", "started bulk edit"]),
    "ProspectSearches": ("prospectSearches", ["prospect search"]),
    "Prospects": ("prospects", ["prospect"]),
    "LeadEnrichments": ("leadEnrichments", ["lead enrichment"]),
    "NotificationDeliveries": ("notificationDeliveries", ["notification delivery"]),
    "Accounts": ("accounts", ["account"]),
    "Contacts": ("contacts", ["contact"]),
    "Opportunities": ("opportunities", ["opportunity"]),
    "Orders": ("orders", ["order"]),
    "Activities": ("activities", ["activity"]),
    "Cases": ("cases", ["case", "resolved case"]),
    "Entitlements": ("entitlements", ["entitlement"]),
    "ProductFeedbacks": ("productFeedbacks", ["product feedback"]),
    "Contracts": ("contracts", ["draft contract", "submitted contract", "approved contract", "active contract"]),
    "Customers": ("customers", ["customer"]),
}
EXPORTED = ("Leads", "Accounts", "Contacts", "Opportunities", "Cases", "Contracts")


def shown(stage, what: str, role: str, wanted: str, keep: Callable[[Any], bool] = lambda record: True) -> list[str]:
    """The names a list must show to a role, newest first."""
    kinds = LISTED[what][1]
    found = [
        record.name
        for (kind, place, _), record in stage.base.items()
        if kind in kinds and _seen(role, wanted, kind, place, record) and keep(record)
    ]
    return sorted(found, reverse=True)


def _seen(role: str, wanted: str, kind: str, place: str, record: Any) -> bool:
    """What is another person's own is not mine: it lies in my team, as a colleague's does."""
    if place == "own" and record.owner != person(role):
        place = "colleague"
    return sees(role, wanted, kind, place)


async def listed(stage, channel: str, method: str, who: str, **fields: Any) -> Any:
    rpc = next(rpc for rpc in CONTRACT.public if rpc.name == method)
    call = stage.rest if channel == "REST" else stage.grpc
    return await call(rpc, rpc.request_class(**fields), who)


async def walked(stage, channel: str, method: str, what: str, who: str, **fields: Any) -> list[str]:
    """The names on all pages."""
    names, token = [], ""
    while True:
        status, said, page = await listed(stage, channel, method, who, page_token=token, **fields)
        assert status == 200, said
        names += [record["name"] for record in page.get(LISTED[what][0], [])]
        token = page.get("nextPageToken", "")
        if not token:
            return names


def readers(method: str) -> list[tuple[str, str]]:
    """(role, permission) of those who may make this call."""
    rpc = next(rpc for rpc in CONTRACT.public if rpc.name == method)
    return [(role, permission(rpc)) for role in ROLES if reach(role, permission(rpc))]


def one_of_each_reach(method: str) -> list[tuple[str, str]]:
    """Of those one for each reach."""
    return list({reach(role, wanted): (role, wanted) for role, wanted in readers(method)}.values())


@pytest.mark.parametrize("channel", CHANNELS)
@pytest.mark.parametrize("what", LISTED)
async def test_a_list_is_exactly_what_the_role_may_see_in_one_page_and_in_many(stage, what, channel):
    for role, wanted in readers(f"List{what}"):
        expected = shown(stage, what, role, wanted)
        for size in (1000, 1) if (role, wanted) in one_of_each_reach(f"List{what}") else (1000,):
            found = await walked(stage, channel, f"List{what}", what, person(role), page_size=size)
            assert found == expected, f"{role}, pages of {size}"


@pytest.mark.parametrize("channel", CHANNELS)
@pytest.mark.parametrize("what", LISTED)
async def test_no_filter_shows_more_than_the_role_may_see(stage, what, channel):
    """By each column that can be filtered, for what lies within the reach and what lies beyond it."""
    service, _ = stage.templates[LISTED[what][1][0]]
    samples = [stage.record(LISTED[what][1][-1], place, "salesperson") for place in PLACES]
    mapper = stage.services[service].process.context.mappers[type(samples[0])]
    columns = [name for name, column in mapper.table.columns.items() if column.info.get("filter")]
    tried = 0
    for role, wanted in one_of_each_reach(f"List{what}"):
        for name in set(columns) - {"external_ids"}:
            if reach(role, wanted) == "customer" and name in ("owner", "team", "journey_id", "unentitled"):
                continue  # not theirs to ask by: test_portal
            for value in {_as_text(getattr(sample, name)) for sample in samples} - {""}:
                asked = f'{name} = "{value}"'
                status, said, page = await listed(
                    stage, channel, f"List{what}", person(role), filter=asked, page_size=1000
                )
                if status == 400 and "cannot filter by" in said and reach(role, wanted) == "customer":
                    continue
                assert status == 200, said
                expected = shown(stage, what, role, wanted, lambda one: _as_text(getattr(one, name)) == value)  # noqa: B023
                assert [one["name"] for one in page.get(LISTED[what][0], [])] == expected, f"{role}: {asked}"
                tried += 1
    assert tried >= 3


def _as_text(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return getattr(value, "name", None) or (value.isoformat() if hasattr(value, "isoformat") else str(value or ""))


@pytest.mark.parametrize("channel", CHANNELS)
@pytest.mark.parametrize("what", EXPORTED)
async def test_an_export_is_exactly_what_the_role_may_take_along(stage, what, channel):
    for role, wanted in readers(f"Export{what}"):
        status, said, data = await listed(stage, channel, f"Export{what}", person(role))
        assert status == 200, said
        names = [line.split(",")[0] for line in data.decode("utf-8-sig").split("\r\n")[1:] if line]
        assert names == shown(stage, what, role, wanted), role


@pytest.mark.parametrize("channel", CHANNELS)
@pytest.mark.parametrize("what", LISTED)
async def test_a_page_token_of_one_role_is_none_of_another(stage, what, channel):
    roles = [role for role, _ in readers(f"List{what}") if role != "administrator"]
    _, _, page = await listed(stage, channel, f"List{what}", person("administrator"), page_size=1)
    for role in roles:
        status, said, _ = await listed(
            stage, channel, f"List{what}", person(role), page_size=1, page_token=page["nextPageToken"]
        )
        assert (status, "another caller" in said) == (400, True), role


# ---- proof that the matrix can fail, on calls that change nothing

FEW = ("GetLead", "GetCase", "GetContract", "GetCustomer")


async def red(stage) -> list[str]:
    return wrong(await turned_out(stage, await tries(stage, public(*FEW))))


async def test_the_matrix_is_green_before_it_is_broken_on_purpose(stage):
    assert await red(stage) == []


async def test_the_matrix_turns_red_when_everybody_sees_everything(stage, monkeypatch):
    monkeypatch.setattr(Caller, "sees", lambda *_: True)
    assert any("GetLead by salesperson about foreign: allowed, expected invisible" in cell for cell in await red(stage))


async def test_the_matrix_turns_red_when_nobody_is_asked_for_a_permission(stage, monkeypatch):
    monkeypatch.setattr(Caller, "reach", lambda *_: Reach.ALL)
    assert any("GetLead by agent about own: allowed, expected forbidden" in cell for cell in await red(stage))


@pytest.mark.parametrize(
    ("role", "wanted", "raised", "said"),
    [
        ("sdr", "leads.read", Reach.SUBTREE, "GetLead by sdr about below: allowed, expected invisible"),
        ("agent", "cases.read", Reach.SUBTREE, "GetCase by agent about below: allowed, expected invisible"),
        ("salesperson", "contracts.read", Reach.TEAM, "GetContract by salesperson about colleague: allowed"),
        ("portal_customer", "contracts.read", Reach.OWN, "GetContract by portal_customer about own: allowed"),
        ("analyst", "customers.read", Reach.OWN, "GetCustomer by analyst about foreign: invisible, expected forbidden"),
        (
            "sales_manager",
            "leads.read",
            Reach.TEAM,
            "GetLead by sales_manager about below: invisible, expected allowed",
        ),
    ],
)
async def test_the_matrix_turns_red_when_a_role_reaches_otherwise(stage, monkeypatch, role, wanted, raised, said):
    changed = identity.roles() | {role: identity.roles()[role] | {wanted: raised}}
    monkeypatch.setattr(identity, "roles", lambda: changed)
    assert any(said in cell for cell in await red(stage))


async def test_a_list_turns_red_when_it_forgets_the_reach(stage, monkeypatch):
    whole = lists._rows

    async def forgetful(work, *given):
        work.reach = Reach.ALL
        return await whole(work, *given)

    monkeypatch.setattr(lists, "_rows", forgetful)
    found = await walked(stage, "gRPC", "ListLeads", "Leads", person("salesperson"), page_size=1000)
    assert set(found) > set(shown(stage, "Leads", "salesperson", "leads.read"))


# ---- the matrix


@pytest.mark.timeout(900)  # some 15,000 calls, and more with each method
async def test_every_cell_of_the_matrix(stage, capsys):
    attempts = await tries(stage, public())
    found = await turned_out(stage, attempts)
    counted = Counter(got for _, got, _ in found)
    with capsys.disabled():
        cells = len(attempts) // len(CHANNELS)
        print(
            f"\nmatrix: {len(ROLES)} roles x {len(public())} calls x up to {len(PLACES)} places = {cells} cells,"
            f" x {len(CHANNELS)} channels = {len(attempts)} tries: "
            + ", ".join(f"{count} {what}" for what, count in sorted(counted.items()))
        )
    problems = wrong(found)
    assert not problems, f"{len(problems)} cells differ:\n" + "\n".join(problems[:40])
    texts = {_nameless(one, said) for one, got, said in found if got == INVISIBLE}
    assert len(texts) == len(CHANNELS), texts  # one wording each, whatever is hidden


async def test_what_is_hidden_is_told_as_what_is_absent(stage):
    """The same words, over both channels, as for a name that nothing has."""
    for rpc in public(*FEW):
        recipe = RECIPES[rpc.name]
        role = {"GetLead": "salesperson", "GetCase": "agent"}.get(rpc.name, "salesperson")
        hidden = stage.record(recipe.kind, "foreign", role).name
        absent = f"{hidden.split('/')[0]}/00000000-0000-7000-8000-000000000000"
        for channel in CHANNELS:
            attempts = [
                Try(rpc, role, "foreign", channel, ask(rpc, {}, name), INVISIBLE, name) for name in (hidden, absent)
            ]
            [first, second] = [_nameless(one, said) for one, _, said in await turned_out(stage, attempts)]
            assert first == second


def _nameless(attempt: Try, said: str) -> str:
    """What was said, without the record's name, the traces' ids and where it was asked."""
    said = said.replace(attempt.name, "…")
    return re.sub(r'[0-9a-f]{32}|"(instance|type)":"[^"]*",?', "", said)


def test_all_kinds_that_customers_see_are_looked_at():
    assert {recipe.kind for recipe in RECIPES.values() if recipe.how == "target"} >= FOR_CUSTOMERS
    assert ALLOWED in {outcome(rpc, "portal_customer", "target", "case", "customer") for rpc in public("GetCase")}
