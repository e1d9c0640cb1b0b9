"""The calls insights answers, one method each."""

from datetime import datetime, timedelta
from typing import Any

from chassis.filtering import digest, make_token, page_size, read_token
from chassis.work import Work
from crm.insights.v1 import insights_pb2

from chassis import figures
from insights import customers, sentences, tables
from insights.domain import ChannelLine, Customer, Revenue, channel_lines
from insights.freshness import tell_freshness
from insights.rebuild import rebuild

FIRST = "0001-01-01T00:00:00+00:00 00000000-0000-0000-0000-000000000000"  # before every entry of a timeline


class InsightsService:
    descriptor = insights_pb2.DESCRIPTOR.services_by_name["InsightsService"]

    async def GetCustomer(self, request: insights_pb2.GetCustomerRequest, work: Work) -> insights_pb2.Customer:
        [customer] = await customers.describe([await work.get(Customer, request.name)], work)
        await tell_freshness(customer, work)
        return customer

    async def ListCustomers(
        self, request: insights_pb2.ListCustomersRequest, work: Work
    ) -> insights_pb2.ListCustomersResponse:
        page = await work.page(Customer, request)
        described = await customers.describe(page.records, work)
        return insights_pb2.ListCustomersResponse(customers=described, next_page_token=page.next_page_token)

    async def ListTimeline(
        self, request: insights_pb2.ListTimelineRequest, work: Work
    ) -> insights_pb2.ListTimelineResponse:
        customer = await work.get(Customer, request.parent)
        size, key = page_size(request.page_size), work.context.page_token_key
        bound_to = digest("timeline", customer.name, work.caller.name, work.caller.actor)
        after = read_token(key, request.page_token, bound_to) if request.page_token else FIRST
        after_time, after_id = after.split(" ")
        journeys = list((await customers.journey_ids([customer.account], work))[customer.account])
        rows = await work.rows(
            tables.TIMELINE,
            account=customer.account,
            journeys=journeys,
            after_time=datetime.fromisoformat(after_time),
            after_id=after_id,
            size=size + 1,
            **customers.sight(work),
        )
        answer = insights_pb2.ListTimelineResponse(entries=[_entry(row) for row in rows[:size]])
        if len(rows) > size:
            last = rows[size - 1]
            position = f"{last['event_time'].isoformat()} {last['event_id']}"
            answer.next_page_token = make_token(key, position, bound_to)
        await tell_freshness(answer, work)
        return answer

    async def ListJourneys(
        self, request: insights_pb2.ListJourneysRequest, work: Work
    ) -> insights_pb2.ListJourneysResponse:
        account = (await work.get(Customer, request.parent)).account
        links = await customers.journey_ids([account], work)
        paths = (await customers.journeys([account], links, work))[account]
        answer = insights_pb2.ListJourneysResponse(journeys=[customers.journey_message(path) for path in paths])
        await tell_freshness(answer, work)
        return answer

    async def GetChannelReport(
        self, request: insights_pb2.GetChannelReportRequest, work: Work
    ) -> insights_pb2.ChannelReport:
        counted: dict[str, dict[str, int]] = {"leads": {}, "customers": {}}
        revenue: dict[str, list[Revenue]] = {}
        for one in await figures.sums(work, tables.KINDS):
            if one.kind == "orders":
                part = Revenue(currency=one.currency, amount=one.amount, orders=one.number)
                revenue.setdefault(one.key, []).append(part)
            else:
                counted[one.kind][one.key] = one.number
        names = {row["name"]: row["display_name"] for row in await work.rows(tables.CHANNEL_NAMES)}
        lines = channel_lines(counted["leads"], counted["customers"], revenue, names)[: tables.MOST_CHANNELS]
        report = insights_pb2.ChannelReport(channels=[_figures(line) for line in lines])
        await tell_freshness(report, work)
        return report

    async def RebuildInsights(
        self, request: insights_pb2.RebuildInsightsRequest, work: Work
    ) -> insights_pb2.RebuildInsightsResponse:
        return await rebuild(work.context, repair=request.repair)


def _entry(row: Any) -> insights_pb2.TimelineEntry:
    values = sentences.stored(row["parameters"])
    message = insights_pb2.TimelineEntry(
        event_id=str(row["event_id"]),
        service=row["service"],
        type=row["type"],
        actor=row["actor"],
        summary=sentences.render(row["type"], values),
        parameters=values,
        subject=row["subject"],
        journey_id=str(row["journey_id"] or ""),
        trace_id=row["trace_id"],
        span=insights_pb2.SpanSummary(operation=row["operation"], outcome="OK"),
    )
    message.event_time.FromDatetime(row["event_time"])
    message.record_time.FromDatetime(row["record_time"])
    message.span.duration.FromTimedelta(timedelta(microseconds=row["elapsed_us"]))
    return message


def _figures(line: ChannelLine) -> insights_pb2.ChannelFigures:
    return insights_pb2.ChannelFigures(
        channel=line.channel,
        leads=line.leads,
        customers=line.customers,
        conversion=line.conversion,
        revenue=line.revenue.revenue,
        currency=line.revenue.currency,
        other_revenue=[insights_pb2.Amount(amount=one, currency=code) for one, code in line.revenue.other_revenue],
        name=line.name,
    )
