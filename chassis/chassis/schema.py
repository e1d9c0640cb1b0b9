"""Schemas: a chain of migrations for what every service has (`spine`) and one for each service's own tables.

Code runs on the schema it was written for and on any later one; readiness refuses one that is behind.
"""

from importlib import import_module
from pathlib import Path

from chassis.database import Database

ENVIRONMENT = Path(__file__).parent / "migrations"
SPINE = ENVIRONMENT / "versions"


def folder(service_package: str) -> Path:
    """Where a service keeps its migrations: beside its package."""
    module = import_module(service_package)
    return Path(next(iter(module.__path__))).parent / "migrations"


def newest(versions: Path) -> str:
    """The last revision of a folder; files are `0001_what.py`, and `0001` is the revision."""
    return max((path.name.split("_")[0] for path in versions.glob("[0-9]*_*.py")), default="")


async def behind(database: Database, service_package: str) -> str:
    """What the schema lacks, in words; empty if nothing."""
    for chain, versions in (("spine", SPINE), ("service", folder(service_package))):
        wanted = newest(versions)
        try:
            rows = await database.fetch(f"SELECT version_num FROM {chain}_version", [])
        except Exception:
            return f"the schema has no {chain} tables yet (run the migrations)"
        found = rows[0]["version_num"] if rows else ""
        if found < wanted:
            return (
                f"the schema's {chain} tables are at {found or 'nothing'}, the code needs {wanted} (run the migrations)"
            )
    return ""
