"""Tables are as the migrations leave them; what they are not is written down as the next migration."""

import pytest
from chassis.settings import SERVICES
from marketing import tables
from sqlalchemy import Column, Text

from chassis import revise


@pytest.mark.parametrize("chain", [*SERVICES, "spine"])
async def test_the_migrations_leave_the_tables_as_they_are_said_to_be(chain, backend):
    assert await revise.missing(chain, backend) == ""


async def test_a_column_that_no_migration_makes_is_what_the_next_one_makes(backend, monkeypatch):
    grown = tables.METADATA.tables["channels"].to_metadata(type(tables.METADATA)())
    grown.append_column(Column("motto", Text))
    monkeypatch.setattr(tables, "METADATA", grown.metadata)
    assert "op.add_column('channels', sa.Column('motto', sa.Text(), nullable=True))" in await revise.missing(
        "marketing", backend
    )
