"""The directory process: people, systems, teams."""

from chassis.erasing import Forgetting
from chassis.service import Service, run

from directory import tables
from directory.erasing import ERASING, shut_out
from directory.rpc import DirectoryService

SERVICE = Service(
    name="directory",
    rpcs=[DirectoryService()],
    tables=tables.RECORDS,
    sagas=[ERASING],
    forgetting=Forgetting(person=shut_out),
)

if __name__ == "__main__":
    run(SERVICE)
