"""Links to people's own data, when somebody is erased."""

from chassis.persons import Person, names_of
from chassis.values import is_uuid
from chassis.work import Work

from leads import own_data_tables


async def forget(person: Person, work: Work) -> int:
    """No link leads to an erased person's leads; how many did."""
    ids = [one for one in names_of(person.records, "leads") if is_uuid(one)]
    return len(await work.context.database.fetch(own_data_tables.FORGET_LEADS, [ids], work.connection))
