"""The service-desk process: cases, entitlements and product feedback."""

from chassis.events import reactions_of
from chassis.service import Service, run

from service_desk import reactions, tables
from service_desk.feedback_rpc import ProductFeedbackService
from service_desk.rpc import ServiceDeskService

SERVICE = Service(
    name="service-desk",
    rpcs=[ServiceDeskService(), ProductFeedbackService()],
    tables=tables.RECORDS,
    reactions=reactions_of(reactions),
)

if __name__ == "__main__":
    run(SERVICE)
