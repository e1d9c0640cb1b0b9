"""`crmctl`: every command group is one module, imported only when its command is used."""

import importlib
import os
import sys
from typing import Any

import typer
from typer.core import TyperGroup

# Command -> the module that has a typer application called `app`. A new command is a module and a line here.
COMMANDS = {
    "up": "crmctl.up",
    "token": "crmctl.token",
    "import": "crmctl.importing",
    "leads": "crmctl.leads",
    "report": "crmctl.report",
    "journey": "crmctl.journey",
    "trace": "crmctl.trace",
    "events": "crmctl.events",
    "audit": "crmctl.audit",
    "privacy": "crmctl.privacy",
    "insights": "crmctl.insights",
    "ops": "crmctl.ops",
    "backup": "crmctl.backup",
    "restore": "crmctl.restore",
}


class _Commands(TyperGroup):
    """The table above as a click group."""

    def list_commands(self, _: Any) -> list[str]:
        return list(COMMANDS)

    def get_command(self, _: Any, name: str) -> Any:
        if name not in COMMANDS:
            return None
        command = typer.main.get_command(importlib.import_module(COMMANDS[name]).app)
        command.name = name
        return command


app = typer.Typer(cls=_Commands, no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)


@app.callback()
def crmctl(
    url: str = typer.Option("", help="The suite's REST address (CRM_URL)."),
    token: str = typer.Option("", help="The token to call it with (CRM_TOKEN)."),
    data_dir: str = typer.Option("", help="The data folder of a local suite (CRM_DATA_DIR)."),
) -> None:
    """Work with a CRM suite: start one on this machine, call it, look into it."""
    for name, value in (("CRM_URL", url), ("CRM_TOKEN", token), ("CRM_DATA_DIR", data_dir)):
        if value:
            os.environ[name] = value  # The commands take the same options, and these are where they look next.


def main() -> None:
    """The console script. A problem that has a sentence is printed as that sentence, without a traceback."""
    from crmctl.problem import Problem
    from crmctl.terminal import plain

    try:
        app(prog_name="crmctl")
    except Problem as problem:
        sys.exit(plain(str(problem)))


if __name__ == "__main__":
    main()
