"""Marketing over gRPC on a real database."""

import pytest
from chassis.errors import Aborted, AlreadyExists, InvalidFields, NotFound, PermissionDenied
from chassis.values import new_id
from crm.marketing.v1 import marketing_pb2 as pb


async def call(marketing, method, request, by="users/marta"):
    return await marketing.call(f"MarketingService/{method}", request, by=by)


async def channel(marketing, name="", **fields):
    request = pb.CreateChannelRequest(channel={"display_name": name or f"Channel {new_id()}"} | fields)
    return await call(marketing, "CreateChannel", request)


async def page(marketing):
    request = pb.CreateLandingPageRequest(
        landing_page={"display_name": f"Page {new_id()}", "url": "https://x.example/"}
    )
    return await call(marketing, "CreateLandingPage", request)


def key():
    return {"system": "web", "kind": "visit", "id": new_id()}


async def touch(marketing, **fields):
    return await call(marketing, "CreateTouch", pb.CreateTouchRequest(touch=fields))


async def test_a_channel_is_named_by_a_slug_of_its_display_name(marketing):
    made = await channel(marketing, "Größte Messe 2026", kind="fair")
    assert made.name == "channels/grote-messe-2026"
    assert await call(marketing, "GetChannel", pb.GetChannelRequest(name=made.name)) == made
    assert await marketing.events(made.name) == ["ChannelCreated"]


async def test_a_taken_slug_is_refused(marketing):
    request = pb.CreateChannelRequest(channel={"display_name": "Once"}, channel_id="once")
    await call(marketing, "CreateChannel", request)
    with pytest.raises(AlreadyExists):
        await call(marketing, "CreateChannel", request)


async def test_a_channel_is_renamed_unless_somebody_did_so_before(marketing):
    made = await channel(marketing)
    made.display_name = "Renamed"
    request = pb.UpdateChannelRequest(channel=made, update_mask={"paths": ["display_name"]})
    changed = await call(marketing, "UpdateChannel", request)
    assert (changed.display_name, changed.etag) == ("Renamed", "2")
    assert await marketing.events(made.name) == ["ChannelCreated", "ChannelUpdated"]
    with pytest.raises(Aborted, match="STALE_ETAG"):
        await call(marketing, "UpdateChannel", request)


async def test_an_update_that_changes_nothing_tells_nothing(marketing):
    made = await page(marketing)
    await call(marketing, "UpdateLandingPage", pb.UpdateLandingPageRequest(landing_page=made))
    assert await marketing.events(made.name) == ["LandingPageCreated"]


async def test_a_landing_page_gets_another_address(marketing):
    made = await page(marketing)
    made.url = "https://y.example/"
    changed = await call(marketing, "UpdateLandingPage", pb.UpdateLandingPageRequest(landing_page=made))
    assert await call(marketing, "GetLandingPage", pb.GetLandingPageRequest(name=made.name)) == changed
    assert changed.url == "https://y.example/"


async def test_lists_find_by_filter(marketing):
    kind = f"k{new_id()}"
    mine = await channel(marketing, kind=kind)
    await channel(marketing)
    found = await call(marketing, "ListChannels", pb.ListChannelsRequest(filter=f'kind = "{kind}"'))
    assert [item.name for item in found.channels] == [mine.name]
    request = pb.CreateLandingPageRequest(
        landing_page={"display_name": "P", "external_ids": [key()]}, landing_page_id=kind
    )
    made = await call(marketing, "CreateLandingPage", request)
    query = f'external_ids : "web/visit/{made.external_ids[0].id}"'
    pages = await call(marketing, "ListLandingPages", pb.ListLandingPagesRequest(filter=query))
    assert [item.name for item in pages.landing_pages] == [made.name]


async def test_spend_is_recorded_and_found_by_channel_and_day(marketing):
    where = (await channel(marketing)).name
    given = {"channel": where, "spend_date": {"year": 2026, "month": 2, "day": 3}}
    given["amount"] = {"currency_code": "EUR", "units": 12, "nanos": 500_000_000}
    made = await call(marketing, "CreateSpendEntry", pb.CreateSpendEntryRequest(spend_entry=given))
    assert await call(marketing, "GetSpendEntry", pb.GetSpendEntryRequest(name=made.name)) == made
    request = pb.ListSpendEntriesRequest(filter=f'channel = "{where}" AND spend_date >= "2026-02-03"')
    assert list((await call(marketing, "ListSpendEntries", request)).spend_entries) == [made]
    assert await marketing.events(made.name) == ["SpendRecorded"]


async def test_spend_on_an_unknown_channel_is_refused_with_the_field(marketing):
    given = {"channel": "channels/nowhere", "spend_date": {"year": 2026, "month": 2, "day": 3}}
    given["amount"] = {"currency_code": "EUR", "units": 1}
    with pytest.raises(InvalidFields) as refused:
        await call(marketing, "CreateSpendEntry", pb.CreateSpendEntryRequest(spend_entry=given))
    assert refused.value.violations[0][0] == "spend_entry.channel"


async def test_a_touch_begins_a_journey(marketing):
    where, at = (await channel(marketing)).name, (await page(marketing)).name
    made = await touch(marketing, channel=where, landing_page=at, parameters={"utm_source": "x"})
    assert made.journey_id
    assert made.HasField("touch_time")
    assert await call(marketing, "GetTouch", pb.GetTouchRequest(name=made.name)) == made
    [row] = await marketing.rows("SELECT journey_id::text FROM outbox WHERE subject = $1", made.name)
    assert row["journey_id"] == made.journey_id


async def test_a_touch_joins_the_journey_it_names(marketing):
    journey = new_id()
    made = await touch(marketing, journey_id=journey)
    assert made.journey_id == journey
    found = await call(marketing, "ListTouches", pb.ListTouchesRequest(filter=f'journey_id = "{journey}"'))
    assert list(found.touches) == [made]


async def test_a_touch_names_places_that_exist(marketing):
    with pytest.raises(InvalidFields) as refused:
        await touch(marketing, channel="channels/nowhere", landing_page="landingPages/nowhere")
    assert [path for path, _ in refused.value.violations] == ["touch.channel", "touch.landing_page"]


async def test_a_touch_far_in_the_future_is_refused(marketing):
    with pytest.raises(InvalidFields, match="touch_time"):
        await touch(marketing, touch_time={"seconds": 32_000_000_000})


async def test_a_second_touch_with_an_external_id_is_refused(marketing):
    same = key()
    await touch(marketing, external_ids=[same])
    with pytest.raises(AlreadyExists):
        await touch(marketing, external_ids=[same])


async def test_a_batch_answers_known_touches_as_they_stand_and_counts_the_new(marketing):
    known, new = key(), key()
    first = await touch(marketing, external_ids=[known], url="https://first.example/")
    rows = [
        {"external_ids": [known], "url": "https://second.example/"},
        {"external_ids": [new]},
        {"external_ids": [new]},
    ]
    answer = await call(marketing, "BatchCreateTouches", pb.BatchCreateTouchesRequest(touches=[*rows, {}]))
    assert answer.created_count == 2
    assert answer.touches[0] == first
    assert answer.touches[1] == answer.touches[2]
    assert answer.touches[1].etag == answer.touches[3].etag == "1"
    again = await call(marketing, "BatchCreateTouches", pb.BatchCreateTouchesRequest(touches=rows))
    assert (again.created_count, list(again.touches)) == (0, list(answer.touches[:3]))


async def test_a_batch_with_one_wrong_touch_stores_none(marketing):
    good = key()
    rows = [{"external_ids": [good]}, {"channel": "channels/nowhere"}]
    with pytest.raises(InvalidFields) as refused:
        await call(marketing, "BatchCreateTouches", pb.BatchCreateTouchesRequest(touches=rows))
    assert refused.value.violations[0][0] == "touches[1].channel"
    query = pb.ListTouchesRequest(filter=f'external_ids : "web/visit/{good["id"]}"')
    assert not (await call(marketing, "ListTouches", query)).touches


async def test_a_batch_takes_a_thousand_and_no_more(marketing):
    rows = [{"external_ids": [key()]} for _ in range(1000)]
    answer = await call(marketing, "BatchCreateTouches", pb.BatchCreateTouchesRequest(touches=rows))
    assert answer.created_count == 1000
    with pytest.raises(InvalidFields):
        await call(marketing, "BatchCreateTouches", pb.BatchCreateTouchesRequest(touches=[*rows, {}]))


async def test_a_salesperson_reads_channels_but_makes_none(marketing):
    made = await channel(marketing)
    assert await call(marketing, "GetChannel", pb.GetChannelRequest(name=made.name), by="users/ana")
    request = pb.CreateChannelRequest(channel={"display_name": "Mine"})
    with pytest.raises(PermissionDenied):
        await call(marketing, "CreateChannel", request, by="users/ana")
    with pytest.raises(NotFound):
        await call(marketing, "GetChannel", pb.GetChannelRequest(name="channels/nowhere"), by="users/ana")
