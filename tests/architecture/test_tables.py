"""What is stored: every list has its index, and nothing session-scoped runs on the pool."""

import importlib
import re

import pytest
from chassis.settings import SERVICES, package
from chassis.spine import SPINE
from sqlalchemy import Text
from tree import CHASSIS, contract, modules, relative, route, services_code, strings

SESSION_SCOPED = re.compile(
    r"\bpg_(try_)?advisory_(un)?lock\b|\bpg_advisory_lock_shared\b|^\s*(SET\s+(?!CONSTRAINTS|TRANSACTION|LOCAL)|RESET\s"
    r"|LISTEN\s|UNLISTEN\s|PREPARE\s|DECLARE\s|DISCARD\s|LOAD\s)|\bCREATE\s+TEMP(ORARY)?\b|\bWITH\s+HOLD\b",
    re.IGNORECASE,
)


# A rebuild works in temporary tables, on a connection of its own (Database.session), closed at its end.
ON_ITS_OWN_CONNECTION = {"services/insights/insights/rebuild.py"}


def tables():
    for service in SERVICES:
        yield from importlib.import_module(f"{package(service)}.tables").RECORDS.values()


# Looked up in tables of the chassis, whose indexes begin with them.
ELSEWHERE = {"external_ids", "labels"}


def filterable():
    """Filterable columns of tables that can grow. What people name by a slug (people, teams, pages) stays small."""
    for table in tables():
        if isinstance(table.columns["id"].type, Text):
            continue
        for name, column in table.columns.items():
            if column.info.get("filter") and name not in ELSEWHERE:
                yield pytest.param(table, name, id=f"{table.name}.{name}")


@pytest.mark.parametrize(("table", "name"), list(filterable()))
def test_a_column_that_can_be_filtered_has_an_index_that_begins_with_it(table, name):
    column = table.columns[name]
    first = [next(iter(index.columns)).name for index in table.indexes if len(index.columns)]
    keys = [next(iter(table.primary_key.columns)).name]
    keys += [
        next(iter(constraint.columns)).name
        for constraint in table.constraints
        if len(getattr(constraint, "columns", ()))
    ]
    alone = bool(column.unique or column.index)
    assert name in first or name in keys or alone, f"{table.name} has no index that begins with {name}"


@pytest.mark.parametrize("table", [*tables(), *SPINE.tables.values()], ids=lambda table: table.name)
def test_a_table_has_a_primary_key(table):
    assert list(table.primary_key.columns)


def owned():
    """Tables that a List method shows within the caller's reach."""
    for service in SERVICES:
        mine = [
            method for described, method in contract() if described.full_name.startswith(f"crm.{package(service)}.")
        ]
        listed = {route(method).split("/")[-1] for method in mine if method.name.startswith("List")}
        for table in importlib.import_module(f"{package(service)}.tables").RECORDS.values():
            if "owner" in table.columns and table.info.get("collection") in listed:
                yield pytest.param(table, id=f"{service}-{table.name}")


@pytest.mark.parametrize("table", list(owned()))
def test_a_record_with_an_owner_is_found_by_owner_and_by_team(table):
    first = {next(iter(index.columns)).name for index in table.indexes if len(index.columns)}
    assert {"owner", "team"} <= first


@pytest.mark.parametrize("table", list(tables()), ids=lambda table: table.name)
def test_times_know_their_zone(table):
    assert all(getattr(column.type, "timezone", True) for column in table.columns)


def sql_files():
    stack = CHASSIS / "stack"
    return [
        path
        for path in (*modules(CHASSIS), *services_code())
        if stack not in path.parents and "migrat" not in str(path)
    ]


def test_nothing_session_scoped_runs_on_the_pool():
    """It returns connections without resetting them, and a PgBouncer may hand them on after each transaction."""
    found = [
        f"{relative(path)}:{line}"
        for path in sql_files()
        for line, text in strings(path)
        if SESSION_SCOPED.search(text) and relative(path) not in ON_ITS_OWN_CONNECTION
    ]
    assert found == []


@pytest.mark.parametrize(
    "sql", ["SET timezone = 'UTC'", "LISTEN x", "SELECT pg_advisory_lock(1)", "create temp table x"]
)
def test_the_search_finds_what_is_session_scoped(sql):
    assert SESSION_SCOPED.search(sql)


@pytest.mark.parametrize("sql", ["UPDATE x SET a = 1", "SELECT pg_advisory_xact_lock(1)", "SET LOCAL lock_timeout = 1"])
def test_the_search_lets_pass_what_ends_with_its_transaction(sql):
    assert not SESSION_SCOPED.search(sql)
