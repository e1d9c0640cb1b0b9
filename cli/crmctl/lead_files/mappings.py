"""What the columns of a file are, kept by the suite: made from a file, and used for the next one."""

import itertools
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from crmctl.connection import Client
from crmctl.lead_files.columns import LINE, REASON
from crmctl.lead_files.presets import Owners, Preset
from crmctl.lead_files.source import opened
from crmctl.problem import Problem
from crmctl.suite import Suite
from crmctl.terminal import shown

SAMPLES = 100  # rows, for the order of days


async def keep(
    client: Client, path: Path, name: str, preset: Preset | None, mapped: Mapping[str, str], console: Console
) -> None:
    """Makes the mapping `name` of what a file's columns are by a product's preset, else by what they are called;
    `mapped` (column → field, `-` for none) counts before. Raises Problem or Refused."""
    source = opened(path)
    try:
        rows = [one.cells for one in itertools.islice(source.rows(), SAMPLES) if not isinstance(one, tuple)]
        header = [column for column in source.header if column not in (LINE, REASON)]
    finally:
        source.close()
    if missing := [column for column in mapped if column not in header]:
        raise Problem(f"There is no column {missing[0]!r}; there are: {', '.join(header)}.")
    asked = {"columns": header, "rows": [{"cells": cells} for cells in rows]}
    found = client.post("/v1/leadImportMappings:suggest", asked)["leadImportMapping"]
    if preset:
        found |= preset.read(header, mapped, Owners([])).mapping()
    found["columns"] = [one for one in found["columns"] if one["column"] not in mapped]
    found["columns"] += [{"column": column, "field": field} for column, field in mapped.items() if field != "-"]
    async with Suite(client) as suite:
        kept = await suite.post(
            "/v1/leadImportMappings", found | {"displayName": name}, once=False, leadImportMappingId=name
        )
    console.print(_table(header, kept))


async def read_by(suite: Suite, name: str, header: Iterable[str], console: Console) -> str:
    """The mapping's full name. Raises Problem if this is no file of it."""
    mapping = await suite.get(f"/v1/leadImportMappings/{name}")
    columns, there = [one["column"] for one in mapping["columns"]], set(header)
    if not there & set(columns) or (mapping["keyColumn"] and mapping["keyColumn"] not in there):
        wanted = ", ".join(dict.fromkeys([*([mapping["keyColumn"]] if mapping["keyColumn"] else []), *columns]))
        raise Problem(f"This is no file of the mapping {name!r}, which reads the columns: {wanted}.")
    if passed := [column for column in header if column not in {*columns, mapping["keyColumn"], LINE, REASON}]:
        console.print(f"passed over: {', '.join(passed)}")
    return str(mapping["name"])


def _table(header: Iterable[str], mapping: Mapping[str, Any]) -> Table:
    fields = {one["column"]: one["field"] for one in mapping["columns"]}
    table = Table("column", "field", title=shown(mapping["name"]))
    for column in header:
        field = "the key" if column == mapping["keyColumn"] else fields.get(column, "-")
        table.add_row(shown(column), shown(field))
    return table
