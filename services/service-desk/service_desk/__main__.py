"""The service-desk process: cases and entitlements."""

from chassis.events import reactions_of
from chassis.service import Service, run

from service_desk import reactions, tables
from service_desk.rpc import ServiceDeskService

SERVICE = Service(
    name="service-desk",
    rpcs=[ServiceDeskService()],
    tables=tables.RECORDS,
    reactions=reactions_of(reactions),
)

if __name__ == "__main__":
    run(SERVICE)
