"""The calls marketing answers, one method each."""

from chassis.convert import from_message, moment, to_message
from chassis.errors import InvalidFields
from chassis.values import business_time, id_of, slug
from chassis.work import Page, Work
from crm.marketing.v1 import marketing_pb2

from chassis import figures
from marketing import suppression, tables
from marketing.domain import (
    Amounts,
    Channel,
    ChannelCreated,
    ChannelUpdated,
    LandingPage,
    LandingPageCreated,
    LandingPageUpdated,
    SpendEntry,
    Suppression,
    SuppressionReason,
    Touch,
    TouchBatch,
    TouchRecorded,
    performance,
)


class MarketingService:
    descriptor = marketing_pb2.DESCRIPTOR.services_by_name["MarketingService"]

    async def CreateChannel(self, request: marketing_pb2.CreateChannelRequest, work: Work) -> Channel:
        channel = from_message(request.channel, Channel, id=request.channel_id or slug(request.channel.display_name))
        work.emit(ChannelCreated(channel=work.add(channel), event_time=work.now))
        return channel

    async def GetChannel(self, request: marketing_pb2.GetChannelRequest, work: Work) -> Channel:
        return await work.get(Channel, request.name)

    async def ListChannels(self, request: marketing_pb2.ListChannelsRequest, work: Work) -> Page[Channel]:
        return await work.page(Channel, request)

    async def UpdateChannel(self, request: marketing_pb2.UpdateChannelRequest, work: Work) -> Channel:
        channel = await work.get(Channel, request.channel.name, request.channel.etag)
        if work.update(channel, request.channel, request.update_mask.paths, "channel"):
            work.emit(ChannelUpdated(channel=channel, event_time=work.now))
        return channel

    async def CreateLandingPage(self, request: marketing_pb2.CreateLandingPageRequest, work: Work) -> LandingPage:
        given = request.landing_page
        page = from_message(given, LandingPage, id=request.landing_page_id or slug(given.display_name))
        work.emit(LandingPageCreated(landing_page=work.add(page), event_time=work.now))
        return page

    async def GetLandingPage(self, request: marketing_pb2.GetLandingPageRequest, work: Work) -> LandingPage:
        return await work.get(LandingPage, request.name)

    async def ListLandingPages(self, request: marketing_pb2.ListLandingPagesRequest, work: Work) -> Page[LandingPage]:
        return await work.page(LandingPage, request)

    async def UpdateLandingPage(self, request: marketing_pb2.UpdateLandingPageRequest, work: Work) -> LandingPage:
        page = await work.get(LandingPage, request.landing_page.name, request.landing_page.etag)
        if work.update(page, request.landing_page, request.update_mask.paths, "landing_page"):
            work.emit(LandingPageUpdated(landing_page=page, event_time=work.now))
        return page

    async def CreateSpendEntry(self, request: marketing_pb2.CreateSpendEntryRequest, work: Work) -> SpendEntry:
        entry = from_message(request.spend_entry, SpendEntry)
        await _check_places([("spend_entry", entry)], work)
        work.emit(work.add(entry).record(work.now))
        return entry

    async def GetSpendEntry(self, request: marketing_pb2.GetSpendEntryRequest, work: Work) -> SpendEntry:
        return await work.get(SpendEntry, request.name)

    async def ListSpendEntries(self, request: marketing_pb2.ListSpendEntriesRequest, work: Work) -> Page[SpendEntry]:
        return await work.page(SpendEntry, request)

    async def CreateTouch(self, request: marketing_pb2.CreateTouchRequest, work: Work) -> Touch:
        touch = _read(request.touch, "touch", work)
        await _check_places([("touch", touch)], work)
        work.emit(TouchRecorded(touch=work.add(touch), event_time=touch.touch_time))
        return touch

    async def BatchCreateTouches(self, request: marketing_pb2.BatchCreateTouchesRequest, work: Work) -> TouchBatch:
        work.retry_conflicts = True  # another batch with the same touches at the same moment: look again
        rows = [_read(row, f"touches[{number}]", work) for number, row in enumerate(request.touches)]
        await _check_places([(f"touches[{number}]", touch) for number, touch in enumerate(rows)], work)
        known = await work.by_external_ids(Touch, [key for touch in rows for key in touch.external_ids])
        answer, created = [], 0
        for touch in rows:
            existing = next((known[key] for key in touch.external_ids if key in known), None)
            if existing is None:
                work.emit(TouchRecorded(touch=work.add(touch), event_time=touch.touch_time))
                known.update(dict.fromkeys(touch.external_ids, touch))
                created += 1
            answer.append(existing or touch)
        return TouchBatch(touches=answer, created_count=created)

    async def GetTouch(self, request: marketing_pb2.GetTouchRequest, work: Work) -> Touch:
        return await work.get(Touch, request.name)

    async def ListTouches(self, request: marketing_pb2.ListTouchesRequest, work: Work) -> Page[Touch]:
        return await work.page(Touch, request)

    async def ListChannelPerformance(
        self, request: marketing_pb2.ListChannelPerformanceRequest, work: Work
    ) -> marketing_pb2.ListChannelPerformanceResponse:
        brought = await figures.sums(work, tables.KINDS)  # what a channel cost is the company's figure
        leads = {one.key: one.number for one in brought if one.kind == "leads"}
        customers = {one.key: one.number for one in brought if one.kind == "customers"}
        names = {f"channels/{row['id']}": row["display_name"] for row in await work.rows(tables.DISPLAY_NAMES)}
        amounts = [
            Amounts(channel=row["channel"], currency=row["currency"], entries=row["entries"], spend=row["amount"])
            for row in await work.rows(tables.SPEND_BY_CHANNEL)
        ]
        amounts += [
            Amounts(channel=one.key, currency=one.currency, entries=one.number, revenue=one.amount)
            for one in brought
            if one.kind == "orders"
        ]
        lines = performance(leads, customers, amounts, names)[: tables.MOST_CHANNELS]
        return marketing_pb2.ListChannelPerformanceResponse(
            channels=[to_message(line, marketing_pb2.ChannelPerformance) for line in lines]
        )

    async def SuppressAddress(self, request: marketing_pb2.SuppressAddressRequest, work: Work) -> Suppression:
        return await suppression.suppress(request.email, SuppressionReason(request.reason), work)

    async def CheckSuppressions(
        self, request: marketing_pb2.CheckSuppressionsRequest, work: Work
    ) -> marketing_pb2.CheckSuppressionsResponse:
        return await suppression.check(list(request.emails), work)

    async def ListSuppressions(self, request: marketing_pb2.ListSuppressionsRequest, work: Work) -> Page[Suppression]:
        return await work.page(Suppression, request)

    async def LiftSuppression(self, request: marketing_pb2.LiftSuppressionRequest, work: Work) -> Suppression:
        found = await work.get(Suppression, request.name, request.etag)
        work.emit(found.lift(at=work.now))
        return found


def _read(row: marketing_pb2.Touch, field_path: str, work: Work) -> Touch:
    path = f"{field_path}.touch_time"
    given = moment(row.touch_time, path) if row.HasField("touch_time") else None
    return from_message(row, Touch, touch_time=business_time(given, work.now, path))


async def _check_places(rows: list[tuple[str, SpendEntry | Touch]], work: Work) -> None:
    """The channels and pages that are named exist; InvalidFields names each field that does not."""
    channels = await _known(Channel, {row.channel for _, row in rows}, work)
    pages = await _known(LandingPage, {getattr(row, "landing_page", "") for _, row in rows}, work)
    unknown = [(f"{path}.channel", f"there is no {row.channel}") for path, row in rows if row.channel not in channels]
    unknown += [
        (f"{path}.landing_page", f"there is no {row.landing_page}")
        for path, row in rows
        if isinstance(row, Touch) and row.landing_page not in pages
    ]
    if unknown:
        raise InvalidFields(*unknown)


async def _known(kind: type[Channel] | type[LandingPage], names: set[str], work: Work) -> set[str]:
    """Those of `names` that exist, and the empty one, which is allowed."""
    ids = sorted(id_of(name) for name in names if name)
    return {"", *(record.name for record in await work.find(kind, id=ids))} if ids else {""}
