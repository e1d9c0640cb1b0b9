"""The sales process: customers, deals, orders, and what is to be done next."""

from chassis.events import reactions_of
from chassis.service import Service, run

from chassis import figures
from sales import reactions, tables
from sales.rpc import LeadAcceptanceService, SalesService

SERVICE = Service(
    name="sales",
    rpcs=[SalesService(), LeadAcceptanceService()],
    tables=tables.RECORDS,
    reactions=reactions_of(reactions),
    chores=[figures.fold],
)

if __name__ == "__main__":
    run(SERVICE)
