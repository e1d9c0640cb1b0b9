"""The directory process: people, systems, teams."""

from chassis.erasing import Forgetting
from chassis.service import Service, run

from directory import tables
from directory.erasing import ERASING, shut_out
from directory.holidays import LOOK_AGAIN
from directory.rpc import CalendarService, CustomFieldService, DirectoryService

SERVICE = Service(
    name="directory",
    rpcs=[DirectoryService(), CalendarService(), CustomFieldService()],
    tables=tables.RECORDS,
    sagas=[ERASING],
    timers=[LOOK_AGAIN],
    forgetting=Forgetting(person=shut_out),
)

if __name__ == "__main__":
    run(SERVICE)
