"""What insights keeps does not depend on the order in which events come, nor on how often."""

from dataclasses import replace

from chassis.values import id_of, new_id
from histories import Story
from hypothesis import given, settings
from hypothesis import strategies as st

HISTORY = Story().whole().order(units=5, currency="USD").deal(state="LOST").complaint(resolve=True).undone()
EVENTS = HISTORY.events
IDS = [event.id for event in EVENTS]
NAMES = [event.subject for event in EVENTS]

KEPT = {
    "timeline": ("event_id = any($1::uuid[])", IDS),
    "records": ("name = any($1::text[])", NAMES),
    "customers": ("id = any($1::uuid[])", [id_of(HISTORY.account)]),
}


async def dump(insights):
    rows = {}
    for table, (mine, keys) in KEPT.items():
        found = await insights.rows(f"SELECT t::text AS row FROM {table} t WHERE {mine} ORDER BY 1", keys)
        rows[table] = [row["row"] for row in found]
    return rows


async def replay(insights, events):
    for table, (mine, keys) in KEPT.items():
        await insights.rows(f"DELETE FROM {table} WHERE {mine}", keys)
    await insights.rows("DELETE FROM inbox WHERE event_id = any($1::uuid[])", IDS)
    for event in events:
        await insights.process._inbox.apply(event)
    return await dump(insights)


@settings(max_examples=20, deadline=None)
@given(st.permutations(EVENTS), st.lists(st.sampled_from(EVENTS), max_size=8))
async def test_any_order_with_any_repetition_leaves_the_same(insights, shuffled, repeated):
    in_order = await replay(insights, EVENTS)
    assert len(in_order["timeline"]) == len(EVENTS)
    assert await replay(insights, [*repeated, *shuffled]) == in_order


async def test_a_restored_database_begins_its_versions_anew(insights):
    """After a restore an older version comes with a newer epoch: it is what its service now holds."""
    story = Story().added()
    [created, *_] = story.events
    renamed = replace(created, id=new_id(), version=9)
    renamed.message.account.display_name = "Harbour Bakery"
    await insights.process._inbox.apply(renamed)
    again = Story(account=story.account).added(name="As it was restored").events[0]
    later = "00000000-0000-7000-8000-000000000002"
    await insights.process._inbox.apply(replace(again, epoch=later))
    await insights.process._inbox.apply(replace(renamed, id=new_id(), version=10))
    [row] = await insights.rows("SELECT display_name, version FROM customers WHERE id = $1", id_of(story.account))
    assert (row["display_name"], row["version"]) == ("As it was restored", 1)


async def test_events_that_concern_no_customer_leave_no_entry(insights):
    from crm.sales.v1 import events_pb2 as sales_events

    name = f"pipelines/p{new_id()}"
    assert await insights.react(sales_events.PipelineCreated(pipeline={"name": name}), position=7)
    assert not await insights.rows("SELECT 1 FROM timeline WHERE subject = $1", name)
    assert await insights.rows("SELECT 1 FROM freshness WHERE source = 'sales'")
