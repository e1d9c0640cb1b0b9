"""The leads process: lead management."""

from chassis.erasing import Forgetting
from chassis.events import reactions_of
from chassis.persons import Person
from chassis.service import Service, run
from chassis.work import Work

from leads import bulk_editing, cadencing, delivering, prospecting, reactions, responding, sharing, tables
from leads.chores import CHORES
from leads.conversion import CONVERSION, UNDO
from leads.outgoing import providers
from leads.rpc import SERVICES
from leads.rpc.operations import TASKS


async def _forget(person: Person, work: Work) -> int:
    return sum([await one.forget(person, work) for one in (delivering, bulk_editing, prospecting, sharing)])


SERVICE = Service(
    name="leads",
    rpcs=[service() for service in SERVICES],
    tables=tables.RECORDS,
    reactions=reactions_of(reactions),
    sagas=[CONVERSION, UNDO],
    tasks=[*TASKS.values()],
    timers=[*responding.TIMERS, *cadencing.TIMERS],
    on_start=[providers.check],
    chores=CHORES,
    forgetting=Forgetting(person=_forget),
)

if __name__ == "__main__":
    run(SERVICE)
