"""The directory process: people, systems, teams."""

from chassis.service import Service, run

from directory import tables
from directory.erasing import ERASING
from directory.rpc import DirectoryService

SERVICE = Service(name="directory", rpcs=[DirectoryService()], tables=tables.RECORDS, sagas=[ERASING])

if __name__ == "__main__":
    run(SERVICE)
