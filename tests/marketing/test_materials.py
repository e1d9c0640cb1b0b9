"""Materials and the links by which people share them, over gRPC and as visitors open them."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest
from chassis.errors import AlreadyExists, FailedPrecondition, InvalidFields, NotFound, PermissionDenied
from chassis.values import new_id
from crm.leads.v1 import events_pb2 as leads_events
from crm.leads.v1 import leads_pb2
from crm.marketing.v1 import materials_pb2 as pb
from custom_calls import front
from google.protobuf.timestamp_pb2 import Timestamp

MARTA, ANA, CHEN, MIRA = "users/marta", "users/ana", "users/chen", "users/mira"
URL = "https://www.rosa.example/oven.pdf?page=2"


async def call(marketing, method, by=MARTA, **fields):
    request = getattr(pb, f"{method}Request")(**fields)
    return await marketing.call(f"MaterialService/{method}", request, by=by)


async def material(marketing, **fields):
    given = {"display_name": f"Фурни {new_id()}", "kind": "DOCUMENT", "url": URL} | fields
    slug = f"m{new_id()}"
    return await call(marketing, "CreateMaterial", material=given, material_id=slug)


async def shared(marketing, made, by=ANA, **fields):
    return await call(marketing, "ShareMaterial", by, name=made.name, **fields)


def path_of(link):
    return link.name.replace("materialLinks/", "/m/")


async def opened(marketing, path):
    """As a browser would: no token, and no following."""
    async with front(marketing=marketing) as http:
        del http.headers["authorization"]
        return await http.get(path)


async def lines(marketing, made, by=MARTA):
    answer = await call(marketing, "ListMaterialPerformance", by, material=made.name)
    return [(one.owner, one.opens, one.leads, one.conversions) for one in answer.materials]


def days(number):
    moment = Timestamp()
    moment.FromDatetime(datetime.now(UTC) + timedelta(days=number))
    return moment


async def test_a_material_is_kept_changed_put_away_and_brought_back(marketing):
    made = await material(marketing, language="bg")
    assert await call(marketing, "GetMaterial", ANA, name=made.name) == made
    changed = {"name": made.name, "url": "https://www.rosa.example/2.pdf"}
    assert (await call(marketing, "UpdateMaterial", material=changed)).url.endswith("/2.pdf")
    await call(marketing, "ArchiveMaterial", name=made.name)
    for wrong in ("ArchiveMaterial", "ShareMaterial"):
        with pytest.raises(FailedPrecondition):
            await call(marketing, wrong, name=made.name)
    listed = await call(marketing, "ListMaterials", page_size=1000, filter="language = bg")
    assert made.name not in [one.name for one in listed.materials]
    await call(marketing, "RestoreMaterial", name=made.name)
    with pytest.raises(FailedPrecondition):
        await call(marketing, "RestoreMaterial", name=made.name)
    told = ["MaterialCreated", "MaterialUpdated", "MaterialArchived", "MaterialRestored"]
    assert await marketing.events(made.name) == told
    again = {"display_name": "X", "kind": "DOCUMENT", "url": URL}
    with pytest.raises(AlreadyExists):
        await call(marketing, "CreateMaterial", material=again, material_id=made.name.split("/")[1])


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"url": "javascript:alert(1)"}, "url"),
        ({"url": "//evil.example"}, "url"),
        ({"url": "https://x.example/a b"}, "url"),
        ({"url": "https://x.example/\r\nSet-Cookie: a=b"}, "url"),
        ({"url": "https:\\\\x.example"}, "url"),
        ({"kind": 0}, "kind"),
        ({"display_name": ""}, "display_name"),
        ({"language": "български"}, "language"),
    ],
)
async def test_what_would_lead_astray_is_no_material(marketing, wrong, field):
    with pytest.raises(InvalidFields, match=field):
        await material(marketing, **wrong)


async def test_a_person_has_one_link_to_a_material_until_it_is_withdrawn(marketing):
    made = await material(marketing)
    links = await asyncio.gather(*(shared(marketing, made) for _ in range(3)))
    assert len({link.name for link in links}) == 1
    [link, *_] = links
    token = link.name.removeprefix("materialLinks/")
    assert (link.owner, link.team, link.material) == (ANA, "teams/north", made.name)
    assert len(token) == 12
    assert await marketing.events(link.name) == ["MaterialLinkCreated"]
    assert (await shared(marketing, made, CHEN)).name != link.name
    await call(marketing, "ArchiveMaterialLink", ANA, name=link.name)
    with pytest.raises(FailedPrecondition):
        await call(marketing, "ArchiveMaterialLink", ANA, name=link.name)
    assert (await shared(marketing, made)).name != link.name


async def test_links_are_made_and_seen_within_the_own_reach(marketing):
    made = await material(marketing)
    link = await shared(marketing, made, MIRA, owner=CHEN)
    with pytest.raises(InvalidFields, match="beyond your reach"):
        await shared(marketing, made, ANA, owner=CHEN)
    for method in ("GetMaterialLink", "ArchiveMaterialLink"):
        with pytest.raises(NotFound):
            await call(marketing, method, ANA, name=link.name)
    mine = await shared(marketing, made)
    for person, seen in ((ANA, {mine.name}), (CHEN, {link.name}), (MIRA, {mine.name, link.name})):
        page = await call(marketing, "ListMaterialLinks", person, filter=f'material = "{made.name}"')
        assert {one.name for one in page.material_links} == seen
        assert {one[0] for one in await lines(marketing, made, person)} <= {one.owner for one in page.material_links}
    for refused in (call(marketing, "CreateMaterial", ANA), shared(marketing, made, "users/dora")):
        with pytest.raises(PermissionDenied):
            await refused


async def test_who_opens_a_link_is_sent_to_the_material_and_only_counted(marketing):
    made = await material(marketing)
    link = await shared(marketing, made)
    answers = await asyncio.gather(*(opened(marketing, path_of(link)) for _ in range(5)))
    assert {(one.status_code, one.headers["location"], one.text) for one in answers} == {(302, URL, "")}
    assert answers[0].headers["cache-control"] == "no-store"
    assert answers[0].headers["referrer-policy"] == "no-referrer"
    assert await lines(marketing, made) == [(ANA, 5, 0, 0)]
    [row] = await marketing.rows("SELECT * FROM material_opens WHERE material_link = $1", link.name)
    assert set(dict(row)) == {"material_link", "number", "last_time"}
    assert await marketing.events(link.name) == ["MaterialLinkCreated"]


async def test_a_landing_page_is_told_by_which_link_somebody_came(marketing):
    for url, joined in (("https://x.example/a", "?"), ("https://x.example/a?b=c", "&"), ("https://x.example/a#d", "?")):
        link = await shared(marketing, await material(marketing, kind="LANDING_PAGE", url=url))
        page, _, place = url.partition("#")
        told = f"{page}{joined}material_link={link.name.removeprefix('materialLinks/')}" + (
            f"#{place}" if place else ""
        )
        assert (await opened(marketing, path_of(link))).headers["location"] == told


async def test_a_link_that_leads_nowhere_says_so_in_plain_words(marketing):
    withdrawn, archived, over = [await material(marketing) for _ in range(3)]
    links = [await shared(marketing, one) for one in (withdrawn, archived, over)]
    await call(marketing, "ArchiveMaterialLink", ANA, name=links[0].name)
    await call(marketing, "ArchiveMaterial", name=archived.name)
    await call(marketing, "UpdateMaterial", material={"name": over.name, "expire_time": days(-1)})
    paths = [path_of(link) for link in links] + ["/m/abcdefghijkm", "/m/%D1%84", "/m/a%2Fb", "/m/ "]
    said = [await opened(marketing, path) for path in paths]
    assert {(one.status_code, one.headers["content-type"]) for one in said[:5]} == {(404, "text/plain; charset=utf-8")}
    assert len({one.text for one in said[:5]}) == 1
    assert "Ask whoever sent it" in said[0].text
    assert all(one.status_code in (400, 404) for one in said)
    with pytest.raises(FailedPrecondition):
        await shared(marketing, over, CHEN)


async def test_a_link_comes_back_with_its_material(marketing):
    made = await material(marketing)
    link = await shared(marketing, made)
    await call(marketing, "ArchiveMaterial", name=made.name)
    assert (await opened(marketing, path_of(link))).status_code == 404
    await call(marketing, "RestoreMaterial", name=made.name)
    assert (await opened(marketing, path_of(link))).status_code == 302


def told(kind, name, link, version, state=leads_pb2.Lead.NEW):
    return kind(lead={"name": name, "etag": str(version), "material_link": link, "state": state})


async def test_leads_and_customers_are_counted_by_person_and_material(marketing):
    made = await material(marketing)
    of_ana, of_chen = await shared(marketing, made), await shared(marketing, made, CHEN)
    one, two, other = [f"leads/{new_id()}" for _ in range(3)]
    for name, link in ((one, of_ana), (two, of_ana), (other, of_chen)):
        await marketing.react(told(leads_events.LeadCreated, name, link.name, 1))
    await marketing.react(told(leads_events.LeadCreated, f"leads/{new_id()}", "", 1))
    converted = told(leads_events.LeadConverted, one, of_ana.name, 3, leads_pb2.Lead.CONVERTED)
    await marketing.react(converted)
    await marketing.react(told(leads_events.LeadUpdated, one, of_ana.name, 2))  # told late
    assert await lines(marketing, made) == [(ANA, 0, 2, 1), (CHEN, 0, 1, 0)]
    undone = told(leads_events.LeadConversionUndone, one, of_ana.name, 4, leads_pb2.Lead.QUALIFIED)
    await marketing.react(undone)
    assert await lines(marketing, made) == [(ANA, 0, 2, 0), (CHEN, 0, 1, 0)]


async def test_leads_that_are_one_count_once_until_that_is_undone(marketing):
    made = await material(marketing)
    link = await shared(marketing, made)
    survivor, loser = f"leads/{new_id()}", f"leads/{new_id()}"
    await marketing.react(told(leads_events.LeadCreated, survivor, "", 1))
    await marketing.react(told(leads_events.LeadCreated, loser, link.name, 1))
    await marketing.react(told(leads_events.LeadsJoined, survivor, link.name, 2))
    await marketing.react(told(leads_events.LeadMerged, loser, link.name, 2, leads_pb2.Lead.MERGED))
    assert await lines(marketing, made) == [(ANA, 0, 1, 0)]
    await marketing.react(told(leads_events.LeadsParted, survivor, "", 3))
    await marketing.react(told(leads_events.LeadUnmerged, loser, link.name, 3))
    assert await lines(marketing, made) == [(ANA, 0, 1, 0)]
    rows = await marketing.rows("SELECT lead FROM material_leads WHERE material_link = $1", link.name)
    assert [row["lead"] for row in rows] == [loser]
