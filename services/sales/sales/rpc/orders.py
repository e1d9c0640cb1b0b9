"""Calls about orders."""

from chassis.convert import from_message
from chassis.errors import ExternalIdTaken, InvalidFields
from chassis.values import ExternalId, business_time
from chassis.work import Page, Work
from crm.sales.v1 import sales_pb2

from sales import tables
from sales.domain.account import Account
from sales.domain.order import Order, OrderRecorded
from sales.references import referenced, refuse_taken


class Orders:
    async def RecordOrder(self, request: sales_pb2.RecordOrderRequest, work: Work) -> Order:
        work.retry_conflicts = True  # the same order reported twice at the same moment: the second finds the first
        account = await _account(request.order, work)
        order = from_message(request.order, Order, account=account.name)
        order.check_lines()
        recorded = await work.find_one(Order, order_number=order.order_number, system=order.system)
        if recorded is not None:
            if not work.sees(recorded):
                raise ExternalIdTaken(order_number=order.order_number, system=order.system)
            recorded.check_same(order)
            return recorded
        await refuse_taken(order, work)
        order.order_time = business_time(order.order_time, work.now, "order.order_time")
        await _inherit(order, account, work)
        work.emit(OrderRecorded(order=work.add(order), event_time=order.order_time))
        return order

    async def GetOrder(self, request: sales_pb2.GetOrderRequest, work: Work) -> Order:
        return await work.get(Order, request.name)

    async def ListOrders(self, request: sales_pb2.ListOrdersRequest, work: Work) -> Page[Order]:
        return await work.page(Order, request)


async def _account(order: sales_pb2.Order, work: Work) -> Account:
    """The account of an order, named or found by the caller's own key for it."""
    by_key = order.HasField("account_external_id")
    if bool(order.account) == by_key:
        raise InvalidFields(("order.account", "name the account by either account or account_external_id"))
    if not by_key:
        return await referenced(Account, order.account, "order.account", work)
    key = from_message(order.account_external_id, ExternalId)
    account = (await work.by_external_ids(Account, [key])).get(key)
    if account is None or not work.may_read(account):
        said = f"no account you may see has the key {key.system}/{key.kind}/{key.id}"
        raise InvalidFields(("order.account_external_id", said))
    return account


async def _inherit(order: Order, account: Account, work: Work) -> None:
    """An order belongs to the journey of the account's latest won deal, without one to the account's own."""
    order.owner, order.team = account.owner, account.team
    order.journey_id, order.channel = account.journey_id, account.channel
    for won in await work.rows(tables.LATEST_WON, account=account.name):
        order.opportunity = f"opportunities/{won['id']}"
        order.journey_id = str(won["journey_id"])
        order.channel = won["channel"] or account.channel
