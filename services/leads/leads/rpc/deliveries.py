"""Calls about notifications that leave the application."""

from collections.abc import Callable

from chassis.errors import InvalidFields, RecordNotFound
from chassis.values import id_of
from chassis.work import Page, Work
from crm.leads.v1 import deliveries_pb2

from leads.domain.delivery import NotificationDelivery, NotificationPreferences, NotificationPreferencesUpdated
from leads.phones import e164


class Deliveries:
    async def GetNotificationPreferences(
        self, request: deliveries_pb2.GetNotificationPreferencesRequest, work: Work
    ) -> NotificationPreferences:
        return await _preferences(request.name, work)

    async def UpdateNotificationPreferences(
        self, request: deliveries_pb2.UpdateNotificationPreferencesRequest, work: Work
    ) -> NotificationPreferences:
        given = request.notification_preferences
        preferences = await work.get_or_add(await _preferences(given.name, work), given.etag)
        tidy = _number_in(work.context.company_country)
        changed = work.update(preferences, given, request.update_mask.paths, "notification_preferences", tidy)
        if changed:
            work.emit(
                NotificationPreferencesUpdated(
                    notification_preferences=preferences, fields=changed, event_time=work.now
                )
            )
        return preferences

    async def GetNotificationDelivery(
        self, request: deliveries_pb2.GetNotificationDeliveryRequest, work: Work
    ) -> NotificationDelivery:
        return await work.get(NotificationDelivery, request.name)

    async def ListNotificationDeliveries(
        self, request: deliveries_pb2.ListNotificationDeliveriesRequest, work: Work
    ) -> Page[NotificationDelivery]:
        return await work.page(NotificationDelivery, request)

    async def RetryNotificationDelivery(
        self, request: deliveries_pb2.RetryNotificationDeliveryRequest, work: Work
    ) -> NotificationDelivery:
        delivery = await work.get(NotificationDelivery, request.name)
        work.emit(delivery.retry(work.now))
        return delivery


async def _preferences(name: str, work: Work) -> NotificationPreferences:
    """Those of that name, within the caller's reach; the defaults of somebody who said nothing yet."""
    if await work.find_one(NotificationPreferences, id=id_of(name)):
        return await work.get(NotificationPreferences, name)
    default = NotificationPreferences.of(f"users/{id_of(name)}")
    member = await work.members.named(default.owner)
    default.team = member.team if member else ""
    if member is None or default.name != name or not work.sees(default):
        raise RecordNotFound(name=name)
    return default


def _number_in(country: str) -> Callable[[NotificationPreferences], None]:
    def tidy(preferences: NotificationPreferences) -> None:
        written = preferences.phone_number
        preferences.phone_number = e164(written, country)
        if written and not preferences.phone_number:
            raise InvalidFields(("notification_preferences.phone_number", "is no phone number; begin with +"))

    return tidy
