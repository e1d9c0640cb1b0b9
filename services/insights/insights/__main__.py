"""The insights process: a read model of everybody's events."""

from chassis.events import reactions_of
from chassis.service import Service, run

from chassis import figures
from insights import reactions, tables
from insights.lead_report_rpc import LeadReportService
from insights.rpc import InsightsService

SERVICE = Service(
    name="insights",
    rpcs=[InsightsService(), LeadReportService()],
    tables=tables.RECORDS,
    reactions=reactions_of(reactions),
    chores=[figures.fold],
)

if __name__ == "__main__":
    run(SERVICE)
