"""`crmctl token`: a token of the local issuer, and nothing else on the output."""

from typing import Annotated

import typer

from crmctl.local import ADMIN, LocalStack, local_stack
from crmctl.options import DataDir
from crmctl.problem import Problem

app = typer.Typer(add_completion=False)

_ADMINISTRATOR = "administrator"


@app.command()
def token(
    user: Annotated[str, typer.Option(help="A person, by slug: ana.")] = "",
    role: Annotated[str, typer.Option(help="The first active user with this role: admin, salesperson, ...")] = "",
    service_account: Annotated[str, typer.Option(help="Another system, by slug: importer.")] = "",
    service: Annotated[str, typer.Option(help="A service of the suite: leads.")] = "",
    data_dir: DataDir = None,
) -> None:
    """Print a token (15 minutes) of the local suite; without an option, one of its bootstrap administrator."""
    given = {"users": user, "serviceAccounts": service_account, "services": service}
    named = [f"{collection}/{slug.removeprefix(collection + '/')}" for collection, slug in given.items() if slug]
    if len(named) + bool(role) > 1:
        raise Problem("Only one of --user, --role, --service-account and --service can be given.")
    stack = local_stack(data_dir)
    if stack is None:
        raise Problem("Tokens come from a local suite: name its folder with --data-dir or CRM_DATA_DIR.")
    subject = named[0] if named else _first_with(role, stack) if role else ADMIN
    typer.echo(stack.mint(subject))


def _first_with(role: str, stack: LocalStack) -> str:
    """The `sub` of the earliest active user with the role; for administrators also the bootstrap one."""
    from crmctl.connection import connect

    wanted = _ADMINISTRATOR if role == "admin" else role
    users = connect(data_dir=stack.data_dir).each("/v1/users", "users")
    found = [one for one in users if wanted in one.get("roles", []) and one.get("state") == "ACTIVE"]
    if found:
        first = min(found, key=lambda one: (one.get("createTime", ""), one["name"]))
        return str(first.get("subject") or first["name"])
    if wanted == _ADMINISTRATOR:
        return ADMIN
    raise Problem(f"No active user has the role {wanted}.")
