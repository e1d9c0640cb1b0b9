"""Calls about activities."""

from chassis.convert import from_message
from chassis.work import Page, Work
from crm.sales.v1 import sales_pb2

from sales.domain.activity import Activity, ActivityPlanned, ActivityUpdated
from sales.references import give_owner, journey_of


class Activities:
    async def CreateActivity(self, request: sales_pb2.CreateActivityRequest, work: Work) -> Activity:
        activity = from_message(request.activity, Activity)
        activity.normalise()
        activity.journey_id = await journey_of(activity.subject, "activity.subject", work)
        await give_owner(activity, "activity.owner", work)
        work.emit(ActivityPlanned(activity=work.add(activity), event_time=work.now))
        return activity

    async def GetActivity(self, request: sales_pb2.GetActivityRequest, work: Work) -> Activity:
        return await work.get(Activity, request.name)

    async def ListActivities(self, request: sales_pb2.ListActivitiesRequest, work: Work) -> Page[Activity]:
        return await work.page(Activity, request)

    async def UpdateActivity(self, request: sales_pb2.UpdateActivityRequest, work: Work) -> Activity:
        activity = await work.get(Activity, request.activity.name, request.activity.etag)
        changed = work.update(activity, request.activity, request.update_mask.paths, "activity", Activity.normalise)
        if not changed:
            return activity
        activity.require_planned()  # what was expected of a closed one is history
        if "subject" in changed:
            activity.journey_id = await journey_of(activity.subject, "activity.subject", work)
            activity.lead = ""  # it goes where people put it, and not back with a lead
        if "owner" in changed:
            await give_owner(activity, "activity.owner", work)
        work.emit(ActivityUpdated(activity=activity, fields=changed, event_time=work.now))
        return activity

    async def CompleteActivity(self, request: sales_pb2.CompleteActivityRequest, work: Work) -> Activity:
        activity = await work.get(Activity, request.name, request.etag)
        work.emit(activity.complete(request.outcome, work.business_time(request, "complete_time")))
        return activity

    async def CancelActivity(self, request: sales_pb2.CancelActivityRequest, work: Work) -> Activity:
        activity = await work.get(Activity, request.name, request.etag)
        work.emit(activity.cancel(request.note, at=work.now))
        return activity
