"""How a command finds its suite: `def show(url: Url = "", token: Token = "", data_dir: DataDir = None)`."""

from pathlib import Path
from typing import Annotated

import typer

Url = Annotated[str, typer.Option(envvar="CRM_URL", help="The suite's REST address.")]
Token = Annotated[str, typer.Option(envvar="CRM_TOKEN", help="The token to call it with.")]
DataDir = Annotated[
    Path | None, typer.Option(envvar="CRM_DATA_DIR", help="The data folder of a local suite [default: ./.crm].")
]
