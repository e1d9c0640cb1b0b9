"""The figures that are kept equal those that are counted, whatever happened to the records."""

import asyncio

from chassis.values import new_id
from crm.insights.v1 import insights_pb2 as pb
from crm.sales.v1 import events_pb2 as sales
from histories import Story, day
from hypothesis import given, settings
from hypothesis import strategies as st
from insights.tables import COUNTED

from chassis import figures

CHANNELS = [f"channels/{new_id()}" for _ in range(2)]
OWNERS = [("users/ana", "teams/north"), ("users/chen", "teams/south")]
HAPPENINGS = ["lead", "won", "lost", "order", "order in dollars", "given to others", "taken back", "told again", "fold"]
happenings = st.lists(
    st.tuples(
        st.sampled_from(CHANNELS),
        st.sampled_from(OWNERS),
        st.sampled_from(HAPPENINGS),
        st.integers(0, 10**6),
    ),
    max_size=20,
)


async def told(insights, sql: str) -> list[str]:
    return [row["row"] for row in await insights.rows(sql)]


async def happen(insights, channel, owner, what, units) -> Story:
    story = Story(channel=channel, owner=owner[0], team=owner[1]).added()
    match what:
        case "lead":
            story.lead()
        case "won":
            story.deal(units=units)
        case "lost":
            story.deal(state="LOST")
        case "order":
            story.order(units=units)
        case "order in dollars":
            story.order(units=units, currency="USD")
        case "given to others":
            story.deal()
            story.owner, story.team = "users/bo", "teams/north"
            account = {"name": story.account, "display_name": "Harbour Bakery", "channel": CHANNELS[0]}
            story.tell(sales.AccountUpdated, 9, account, 3)
        case "taken back":
            story.undone()
            account = {"name": story.account, "display_name": "Harbour Bakery", "channel": channel}
            story.tell(sales.AccountArchived, 6, account | {"archive_time": day(6)}, 2)
        case "told again":
            story.whole()
            story.events += story.events
        case "fold":
            await figures.fold_once(insights.process.context)
    return await story.told_to(insights)


@settings(max_examples=25, deadline=None)
@given(happenings)
async def test_after_a_random_history_what_is_kept_is_what_is_counted(insights, history):
    for step in history:
        await happen(insights, *step)
    assert await told(insights, figures.KEPT) == await told(insights, figures.recounted(COUNTED))
    while await figures.fold_once(insights.process.context):
        pass
    assert await told(insights, "SELECT id::text AS row FROM figure_changes") == []
    assert await told(insights, figures.KEPT) == await told(insights, figures.recounted(COUNTED))


async def test_records_that_go_are_not_counted_any_more(insights):
    story = await Story(channel=CHANNELS[0]).whole().told_to(insights)
    names = [event.subject for event in story.events]
    await insights.rows("DELETE FROM records WHERE name = any($1::text[])", names)
    await insights.rows("DELETE FROM customers WHERE id = $1::uuid", story.account.partition("/")[2])
    assert await told(insights, figures.KEPT) == await told(insights, figures.recounted(COUNTED))


async def test_a_report_is_exact_while_several_processes_fold_and_others_write(insights):
    channel = f"channels/{new_id()}"

    async def seen() -> int:
        answer = await insights.call("InsightsService/GetChannelReport", pb.GetChannelReportRequest(), by="users/root")
        return sum(line.leads for line in answer.channels if line.name == channel)

    async def write() -> None:
        for _ in range(10):
            await Story(channel=channel).lead().told_to(insights)

    async def fold() -> None:
        for _ in range(30):
            await figures.fold_once(insights.process.context)

    async def look() -> list[int]:
        return [await seen() for _ in range(20)]

    *_, looks = await asyncio.gather(*(write() for _ in range(4)), fold(), fold(), fold(), look())
    assert looks == sorted(looks)
    assert await seen() == 40
    await figures.fold_once(insights.process.context)
    assert await seen() == 40


async def test_figures_that_came_to_nothing_are_forgotten(insights):
    channel = f"channels/{new_id()}"
    story = await Story(channel=channel).lead().told_to(insights)
    await figures.fold_once(insights.process.context)
    left = "SELECT key AS row FROM figures WHERE key = $1"
    assert len(await insights.rows(left, channel)) == 1
    await insights.rows("DELETE FROM records WHERE name = $1", story.events[0].subject)
    await figures.fold_once(insights.process.context)
    assert await insights.rows(left, channel) == []
