"""The marketing process: channels, pages, spend, touches and materials."""

from chassis.erasing import Forgetting
from chassis.events import reactions_of
from chassis.service import Service, run

from chassis import figures
from marketing import reactions, tables
from marketing.material_rpc import MaterialService
from marketing.rpc import MarketingService
from marketing.suppression import suppress_erased

SERVICE = Service(
    name="marketing",
    rpcs=[MarketingService(), MaterialService()],
    tables=tables.RECORDS,
    reactions=reactions_of(reactions),
    forgetting=Forgetting(person=suppress_erased),
    chores=[figures.fold],
)

if __name__ == "__main__":
    run(SERVICE)
