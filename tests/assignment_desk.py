"""People of a desk to whom leads are given, and the calls about it."""

from collections import Counter

from crm.leads.v1 import assignment_pb2, leads_pb2
from harness import Person, until

CREW = [Person(f"users/p{number}", ("salesperson",), "teams/crew") for number in range(5)]
MANAGER = "users/boss"
OTHERS = [Person("users/gone", ("salesperson",), "teams/crew", active=False)]
OTHERS += [Person(MANAGER, ("sales_manager",), "teams/sales"), Person("users/spare", ("salesperson",), "teams/north")]
POLICY, RUN = assignment_pb2.AssignmentPolicy, assignment_pb2.AssignmentRun


async def call(desk, method, by="users/root", **fields):
    kind = getattr(assignment_pb2, f"{method}Request")
    return await desk.call(f"AssignmentService/{method}", kind(**fields), by=by)


async def a_policy(desk, *rules, active=True, **fields):
    rules = rules or ({"rule": "all", "teams": ["teams/crew"]},)
    policy = {"display_name": "Test", "rules": rules} | fields
    made = await call(desk, "CreateAssignmentPolicy", assignment_policy=policy)
    return await call(desk, "ActivateAssignmentPolicy", name=made.name) if active else made


async def create(desk, by="users/root", **fields):
    lead = leads_pb2.Lead(**({"display_name": "Ана"} | fields))
    return await desk.call("LeadService/CreateLead", leads_pb2.CreateLeadRequest(lead=lead), by=by)


async def read(desk, name, by="users/root"):
    return await desk.call("LeadService/GetLead", leads_pb2.GetLeadRequest(name=name), by=by)


async def owned(desk, name):
    """The lead, once somebody has it."""

    async def given():
        lead = await read(desk, name)
        return lead if lead.owner else None

    return await until(given, f"{name} is given to somebody")


async def tried(desk, name):
    """Waits until somebody looked for a person for this lead."""

    async def looked():
        return (await call(desk, "ExplainAssignment", name=name)).decisions

    return await until(looked, f"somebody looked for a person for {name}")


async def owners(desk) -> Counter:
    return Counter(row["owner"] for row in await desk.rows("SELECT owner FROM leads"))


async def ended(desk, run):
    async def over():
        found = await call(desk, "GetAssignmentRun", name=run.name)
        return found if found.state != RUN.RUNNING else None

    return await until(over, "the run has ended", 60)
