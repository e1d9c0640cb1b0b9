"""Tells people about their leads, and forgets what was told long ago."""

from datetime import datetime

from chassis.unattended import forgetting
from chassis.work import Work

from leads import delivering
from leads.domain.notification import Notification, NotificationKind, NotificationSent

KEPT_DAYS = 90
PRUNE = (
    "DELETE FROM notifications WHERE id IN (SELECT id FROM notifications"
    f" WHERE create_time < now() - interval '{KEPT_DAYS} days' ORDER BY create_time LIMIT 10000) RETURNING 1"
)


async def tell(
    person: str, kind: NotificationKind, lead: str, work: Work, subject: str = "", due_time: datetime | None = None
) -> None:
    """Tells an active person; systems read events."""
    member = await work.members.named(person) if person.startswith("users/") else None
    if member is None or not member.active:
        return
    told = Notification(lead=lead, owner=person, team=member.team, kind=kind, subject=subject, due_time=due_time)
    work.emit(NotificationSent(notification=work.add(told), event_time=work.now))
    await delivering.plan(told, work)


prune = forgetting("notifications", PRUNE)
