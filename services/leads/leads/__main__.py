"""The leads process: lead management."""

from chassis.service import Service, run

from leads import tables
from leads.conversion import CONVERSION
from leads.rpc import LeadService

SERVICE = Service(name="leads", rpcs=[LeadService()], tables=tables.RECORDS, sagas=[CONVERSION])

if __name__ == "__main__":
    run(SERVICE)
