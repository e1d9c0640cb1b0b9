"""Orders over gRPC, as an ERP reports them: retried, twice at once, by its own keys."""

import asyncio

import pytest
from chassis.errors import AlreadyExists, InvalidArgument, InvalidFields, NotFound, PermissionDenied
from chassis.values import new_id

ERP = "serviceAccounts/erp"


def euros(units, nanos=0):
    return {"currency_code": "EUR", "units": units, "nanos": nanos}


def order(**fields):
    given = {"system": "sap", "order_number": new_id(), "amount": euros(100)}
    return given | fields


async def record(service, by=ERP, **fields):
    return await service.call("RecordOrder", by, order=order(**fields))


async def test_an_order_belongs_to_the_owner_and_journey_of_its_account(service):
    account = await service.account(owner="users/ana", channel="channels/organic")
    made = await record(service, account=account.name, order_time={"seconds": 1_500_000_000}, erp_state="delivered")
    assert (made.owner, made.team, made.channel) == ("users/ana", "teams/north", "channels/organic")
    assert (made.journey_id, made.opportunity) == (account.journey_id, "")
    assert await service.events(made.name) == ["OrderRecorded"]
    rows = await service.running.rows("SELECT event_time, journey_id FROM outbox WHERE subject = $1", made.name)
    assert rows[0]["event_time"].timestamp() == 1_500_000_000
    assert str(rows[0]["journey_id"]) == account.journey_id


async def test_an_order_belongs_to_the_latest_deal_won(service):
    account = await service.account(channel="channels/organic")
    early, late, lost, still_open = [await service.deal(account.name) for _ in range(4)]
    await service.call("WinOpportunity", name=late.name, win_time={"seconds": 1_600_000_000})
    await service.call("WinOpportunity", name=early.name, win_time={"seconds": 1_500_000_000})
    await service.call("LoseOpportunity", name=lost.name, reason="no_need")
    made = await record(service, account=account.name)
    assert still_open.name != made.opportunity == late.name
    assert (made.journey_id, made.channel) == (late.journey_id, "channels/organic")


async def test_an_order_number_reported_again_answers_the_order_recorded(service):
    asked = order(account=(await service.account()).name, lines=[{"product": "oven", "amount": euros(100)}])
    first = await service.call("RecordOrder", ERP, order=asked)
    assert await service.call("RecordOrder", ERP, order=asked) == first
    assert await service.events(first.name) == ["OrderRecorded"]


async def test_an_order_reported_twice_at_once_is_recorded_once(service):
    asked = order(account=(await service.account()).name)
    answers = await asyncio.gather(*(service.call("RecordOrder", ERP, order=asked) for _ in range(6)))
    assert {answer.name for answer in answers} == {answers[0].name}
    assert await service.events(answers[0].name) == ["OrderRecorded"]


async def test_an_order_number_with_other_content_is_refused(service):
    asked = order(account=(await service.account()).name)
    await service.call("RecordOrder", ERP, order=asked)
    with pytest.raises(AlreadyExists, match="amount"):
        await service.call("RecordOrder", ERP, order=asked | {"amount": euros(101)})


async def test_an_order_number_is_the_same_however_its_letters_are_composed(service):
    account, number = (await service.account()).name, new_id()
    composed = await record(service, account=account, order_number=f"{number} \u00fc")
    assert await record(service, account=account, order_number=f"{number} u\u0308") == composed


async def test_the_account_is_named_by_the_erps_own_key(service):
    key = {"system": "sap", "kind": "customer", "id": new_id()}
    account = await service.account(external_ids=[key])
    assert (await record(service, account_external_id=key)).account == account.name
    with pytest.raises(InvalidFields) as refused:
        await record(service, account_external_id=key | {"id": "unheard of"})
    assert refused.value.violations[0][0] == "order.account_external_id"


async def test_the_account_is_named_exactly_once_and_exists(service):
    account = (await service.account()).name
    for named in ({}, {"account": account, "account_external_id": {"system": "sap", "id": "1"}}):
        with pytest.raises(InvalidFields, match="either account or account_external_id"):
            await record(service, **named)
    with pytest.raises(InvalidFields) as refused:
        await record(service, account=f"accounts/{new_id()}")
    assert refused.value.violations[0][0] == "order.account"


async def test_lines_add_up_to_the_order_to_the_cent(service):
    account = (await service.account()).name
    lines = [{"product": "oven", "quantity": 1, "amount": euros(99, 990_000_000)}, {"amount": euros(0, 10_000_000)}]
    made = await record(service, account=account, lines=lines)
    assert [line.amount.nanos for line in made.lines] == [990_000_000, 10_000_000]
    with pytest.raises(InvalidFields, match="add up to"):
        await record(service, account=account, lines=lines[:1])


@pytest.mark.parametrize("currency", ["", "eur", "EURO", "€€€"])
async def test_a_currency_is_three_capital_letters(service, currency):
    account = (await service.account()).name
    with pytest.raises(InvalidFields, match="currency_code"):
        await record(service, account=account, amount={"currency_code": currency, "units": 1})


async def test_an_external_id_of_another_order_is_refused(service):
    account, key = (await service.account()).name, {"system": "shop", "id": new_id()}
    await record(service, account=account, external_ids=[key])
    with pytest.raises(AlreadyExists, match=key["id"]):
        await record(service, account=account, external_ids=[key])


async def test_orders_are_found_by_what_the_contract_names(service):
    account = await service.account(owner="users/ana", channel="channels/orders")
    number = new_id()
    made = await record(service, account=account.name, order_number=number, order_time={"seconds": 1_500_000_000})
    await record(service, account=account.name)
    for asked in (
        f"system = sap AND order_number = {number}",
        f'account = "{account.name}" AND order_time < 2018-01-01T00:00:00Z',
        f"journey_id = {account.journey_id} AND channel = channels/orders AND order_time < 2018-01-01T00:00:00Z",
    ):
        page = await service.call("ListOrders", filter=asked)
        assert [item.name for item in page.orders] == [made.name]


async def test_people_read_the_orders_of_their_accounts_and_record_none(service):
    account = await service.account(owner="users/ana")
    made = await record(service, account=account.name)
    assert await service.call("GetOrder", by="users/ana", name=made.name) == made
    with pytest.raises(NotFound):
        await service.call("GetOrder", by="users/chen", name=made.name)
    with pytest.raises(PermissionDenied):
        await record(service, by="users/ana", account=account.name)


async def test_an_order_too_large_for_the_stream_is_refused_and_holds_up_nothing(service):
    """An event that NATS refuses would stand in the outbox for ever, and every later event behind it."""
    account = (await service.account()).name
    lines = [{"product": "\U00010437" * 255, "quantity": 1}] * 1000
    with pytest.raises(InvalidArgument, match="RECORD_TOO_LARGE"):
        await record(service, account=account, lines=lines)
    assert await service.events((await record(service, account=account, lines=lines[:800])).name) == ["OrderRecorded"]
