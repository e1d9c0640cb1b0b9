"""The marketing process: channels, pages, spend and touches."""

from chassis.erasing import Forgetting
from chassis.events import reactions_of
from chassis.service import Service, run

from chassis import figures
from marketing import reactions, tables
from marketing.rpc import MarketingService
from marketing.suppression import suppress_erased

SERVICE = Service(
    name="marketing",
    rpcs=[MarketingService()],
    tables=tables.RECORDS,
    reactions=reactions_of(reactions),
    forgetting=Forgetting(person=suppress_erased),
    chores=[figures.fold],
)

if __name__ == "__main__":
    run(SERVICE)
