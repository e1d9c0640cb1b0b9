"""The contracts process: what was agreed with customers."""

from chassis.events import reactions_of
from chassis.service import Service, run

from contracts import company, erasing, files, reactions, tables
from contracts.rpc import ContractService

SERVICE = Service(
    name="contracts",
    rpcs=[ContractService()],
    tables=tables.RECORDS,
    reactions=reactions_of(reactions),
    on_start=[company.prepare, files.prepare],
    forgetting=erasing.FORGETTING,
)

if __name__ == "__main__":
    run(SERVICE)
