"""What lies open in a pipeline, stage by stage."""

from collections import Counter
from contextlib import suppress
from decimal import ROUND_HALF_UP, Decimal

import pytest
from chassis.errors import FailedPrecondition, NotFound, PermissionDenied
from chassis.values import id_of, new_id
from crm.sales.v1 import sales_pb2
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sales.tables import OPEN_DEALS

from chassis import figures

STAGES = ["first", "second", "third"]


def decimal(money) -> Decimal:
    return Decimal(money.units) + Decimal(money.nanos) / 10**9


async def made(service, name=""):
    return await service.pipeline(*STAGES, display_name=name or f"Ovens {new_id()}")


async def summary(service, pipeline, by="users/root"):
    return (await service.call("GetPipelineSummary", by, name=pipeline.name)).stages


async def test_an_empty_pipeline_has_all_its_stages(service):
    stages = await summary(service, await made(service))
    assert [(one.stage, one.opportunities, len(one.amounts)) for one in stages] == [(name, 0, 0) for name in STAGES]


async def test_a_stage_says_how_many_deals_lie_in_it_and_what_they_amount_to(service):
    pipeline = await made(service)
    for units, currency in [(100, "EUR"), (50, "EUR"), (7, "BRL")]:
        await service.deal(pipeline=pipeline.name, amount={"currency_code": currency, "units": units})
    await service.deal(pipeline=pipeline.name)
    first = (await summary(service, pipeline))[0]
    assert first.opportunities == 4
    assert [(one.opportunities, one.amount.currency_code, decimal(one.amount)) for one in first.amounts] == [
        (2, "EUR", 150), (1, "BRL", 7),
    ]  # fmt: skip
    assert decimal(first.amounts[0].weighted_amount) == 15  # the first stage's chance is a tenth


async def test_everybody_sees_what_lies_within_reach(service):
    pipeline = await made(service)
    await service.deal(pipeline=pipeline.name, owner="users/ana")
    await service.deal(pipeline=pipeline.name, owner="users/chen")
    seen = {by: (await summary(service, pipeline, by))[0].opportunities for by in ("users/root", "users/ana")}
    assert seen == {"users/root": 2, "users/ana": 1}


async def test_a_stage_that_is_gone_is_told_as_long_as_deals_are_in_it(service, sales):
    pipeline = await made(service)
    deal = await service.deal(pipeline=pipeline.name)
    # as if the deal had entered in the moment in which the stage went
    await sales.rows("UPDATE opportunities SET stage = 'gone' WHERE id = $1::uuid", id_of(deal.name))
    last = (await summary(service, pipeline))[-1]
    assert (last.stage, last.display_name, last.opportunities) == ("gone", "", 1)


async def test_a_pipeline_whose_name_begins_another_ones_is_counted_alone(service):
    short = await made(service, "Ovens to lease")
    long = await made(service, "Ovens to lease abroad")
    assert long.name.startswith(short.name)
    await service.deal(pipeline=long.name)
    assert (await summary(service, short))[0].opportunities == 0
    assert (await summary(service, long))[0].opportunities == 1


async def test_a_sum_that_no_message_holds_is_said_to_be_too_large(service, sales):
    pipeline = await made(service)
    await sales.rows(
        "INSERT INTO figure_changes (kind, key, currency, owner, team, number, amount, weighted)"
        " VALUES ('open_deals', $1 || '/first', 'EUR', '', '', 9300, 9.3e18, 0)",
        pipeline.name,
    )
    with pytest.raises(FailedPrecondition, match="SUM_TOO_LARGE"):
        await summary(service, pipeline)
    await sales.rows("DELETE FROM figure_changes WHERE number = 9300")
    await sales.rows("DELETE FROM figures WHERE number = 9300")


async def test_who_may_not_read_deals_sees_no_sums(service):
    pipeline = await made(service)
    with pytest.raises(PermissionDenied):
        await summary(service, pipeline, "users/marta")
    with pytest.raises(NotFound):
        await service.call("GetPipelineSummary", name="pipelines/unheard-of")


steps = st.lists(
    st.tuples(
        st.sampled_from(["advance", "win", "lose", "archive", "restore", "amount", "no amount", "fold", "new"]),
        st.integers(0, 5),
        st.integers(0, 10**7),
        st.sampled_from(["EUR", "BRL"]),
    ),
    max_size=25,
)


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps)
async def test_after_a_random_history_the_sums_are_what_a_recount_finds(service, steps):
    pipeline = await made(service)
    account = (await service.account()).name
    deals = [(await service.deal(account, pipeline=pipeline.name)).name]
    for what, which, cents, currency in steps:
        name = deals[which % len(deals)]
        units, nanos = divmod(cents, 100)
        amount = {"currency_code": currency, "units": units, "nanos": nanos * 10**7}
        match what:
            case "new":
                deals.append((await service.deal(account, pipeline=pipeline.name, amount=amount)).name)
            case "fold":
                await figures.fold_once(service.running.process.context)
            case _:
                await tried(service, what, name, amount)
    found = [await service.call("GetOpportunity", name=name) for name in deals]
    assert seen(await summary(service, pipeline)) == counted(found)
    rows = service.running.rows
    assert await rows(figures.KEPT) == await rows(figures.recounted([OPEN_DEALS]))


async def tried(service, what, name, amount) -> None:
    """One step; a deal that is closed or archived refuses most of them."""
    calls = {
        "advance": ("AdvanceOpportunity", {"name": name, "stage": STAGES[amount["units"] % 3]}),
        "win": ("WinOpportunity", {"name": name}),
        "lose": ("LoseOpportunity", {"name": name, "reason": "no_need"}),
        "archive": ("ArchiveOpportunity", {"name": name}),
        "restore": ("RestoreOpportunity", {"name": name}),
        "amount": ("UpdateOpportunity", changed(name, amount=amount)),
        "no amount": ("UpdateOpportunity", changed(name)),
    }
    method, fields = calls[what]
    with suppress(FailedPrecondition):
        await service.call(method, **fields)


def changed(name, **fields):
    return {"opportunity": {"name": name} | fields, "update_mask": {"paths": ["amount"]}}


def counted(deals):
    numbers, sums, weighted = Counter(), Counter(), Counter()
    for deal in deals:
        if deal.state != sales_pb2.Opportunity.OPEN or deal.HasField("archive_time"):
            continue
        numbers[deal.stage] += 1
        if deal.HasField("amount"):
            key = (deal.stage, deal.amount.currency_code)
            sums[key] += decimal(deal.amount)
            chance = Decimal(repr(deal.probability))
            weighted[key] += (decimal(deal.amount) * chance).quantize(Decimal("0.0001"), ROUND_HALF_UP)
    return numbers, sums, weighted


def seen(stages):
    numbers, sums, weighted = Counter(), Counter(), Counter()
    for stage in stages:
        numbers[stage.stage] += stage.opportunities
        for one in stage.amounts:
            sums[stage.stage, one.amount.currency_code] += decimal(one.amount)
            weighted[stage.stage, one.amount.currency_code] += decimal(one.weighted_amount)
    return numbers, sums, weighted
