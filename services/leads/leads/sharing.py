"""Links to people's own data, when somebody is erased."""

from chassis.persons import Person
from chassis.values import id_of, is_uuid
from chassis.work import Work

from leads import own_data_tables


async def forget(person: Person, work: Work) -> int:
    """No link leads to an erased person's leads; how many did."""
    ids = [id_of(name) for name in person.records if name.startswith("leads/") and is_uuid(id_of(name))]
    return len(await work.context.database.fetch(own_data_tables.FORGET_LEADS, [ids], work.connection))
