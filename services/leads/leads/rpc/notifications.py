"""Calls about what people are told."""

from chassis.work import Page, Work
from crm.leads.v1 import notifications_pb2

from leads.domain.notification import Notification


class Notifications:
    async def ListNotifications(
        self, request: notifications_pb2.ListNotificationsRequest, work: Work
    ) -> Page[Notification]:
        return await work.page(Notification, request)

    async def MarkNotificationRead(
        self, request: notifications_pb2.MarkNotificationReadRequest, work: Work
    ) -> Notification:
        notification = await work.get(Notification, request.name)
        if told := notification.read(work.now):
            work.emit(told)
        return notification
