"""Who may know whom: rules know nothing, tables know rules, services do not know each other."""

import subprocess
import sys

import pytest
from chassis.settings import SERVICES, package
from tree import (
    CHASSIS,
    CLI,
    GATEWAY,
    ROOT,
    all_code,
    imports,
    modules,
    relative,
    roots,
    service_package,
    services_code,
)

STANDARD = set(sys.stdlib_module_names)
PACKAGES = {package(service) for service in SERVICES}
RULES_MAY_KNOW = {
    "chassis.errors",
    "chassis.values",
    "chassis.business_time",
    "chassis.persons",
    "chassis.custom_values",
    "chassis.operation",
}
# Who may import what is heavy or special, anywhere at all.
ONLY_IN = {
    "protovalidate": {"chassis/chassis/rpc.py"},
    "typst": {"services/contracts/contracts/printing.py"},
    "sklearn": {
        "services/leads/leads/scoring/calibration.py",
        "services/leads/leads/scoring/learners.py",
        "services/leads/leads/scoring/training.py",
        "bench/evaluation/score.py",
    },
    "alembic": {"chassis/chassis/migrate.py", "chassis/chassis/revise.py"},
}


def _package(path):
    """The package of the service this file belongs to."""
    return path.relative_to(ROOT / "services").parts[1]


def domain_modules():
    found = []
    for service in SERVICES:
        folder = service_package(service)
        found += [path for path in (folder / "domain.py", *modules(folder / "domain")) if path.exists()]
    return found


@pytest.mark.parametrize("path", domain_modules(), ids=relative)
def test_rules_import_the_standard_library_and_the_error_tree(path):
    own = _package(path)
    for name in imports(path):
        top = name.split(".")[0]
        if top in STANDARD or top == own:
            continue
        known = any(name == allowed or name.startswith(f"{allowed}.") for allowed in RULES_MAY_KNOW)
        assert known, f"{relative(path)} imports {name}"


@pytest.mark.parametrize("path", domain_modules(), ids=relative)
def test_rules_import_nothing_of_their_service_but_rules(path):
    own = _package(path)
    rest = {"rpc", "tables", "reactions", "__main__"}
    known = {name.split(".")[1] for name in imports(path) if name.startswith(f"{own}.")}
    assert not known & rest


@pytest.mark.parametrize("service", SERVICES)
def test_tables_know_rules_sqlalchemy_and_the_chassis(service):
    path = service_package(service) / "tables.py"
    allowed = STANDARD | {"sqlalchemy", "chassis", package(service)}
    assert roots(imports(path)) <= allowed
    assert not {f"{package(service)}.{name}" for name in ("rpc", "reactions")} & imports(path)


@pytest.mark.parametrize("path", services_code(), ids=relative)
def test_no_service_imports_another(path):
    assert not roots(imports(path)) & (PACKAGES - {_package(path)})


@pytest.mark.parametrize("path", services_code(), ids=relative)
def test_services_know_neither_gateway_nor_command_line(path):
    assert not roots(imports(path)) & {"gateway", "crmctl"}


def test_the_chassis_knows_no_service_and_no_gateway():
    for path in modules(CHASSIS):
        assert not roots(imports(path)) & (PACKAGES | {"gateway", "crmctl"}), relative(path)


def test_the_gateway_knows_no_service_and_stores_nothing():
    for path in modules(GATEWAY):
        assert not roots(imports(path)) & (PACKAGES | {"sqlalchemy", "asyncpg", "nats"}), relative(path)


def test_the_command_line_uses_the_public_interfaces():
    for path in modules(CLI):
        assert not roots(imports(path)) & (PACKAGES | {"sqlalchemy"}), relative(path)


@pytest.mark.parametrize("name", ONLY_IN)
def test_what_is_special_is_imported_in_one_place(name):
    found = {relative(path) for path in all_code() if name in roots(imports(path)) and "migrations" not in path.parts}
    assert found <= ONLY_IN[name]


def test_protovalidate_is_not_loaded_before_it_is_needed():
    assert "protovalidate" not in roots(imports(CHASSIS / "rpc.py", at_import=True))


def test_the_gateway_loads_no_database_library(tmp_path):
    """Not even by way of what it imports."""
    code = (
        "import sys, gateway.app; sys.exit(bool({'sqlalchemy', 'asyncpg', 'nats', 'protovalidate'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], cwd=tmp_path, check=False).returncode == 0


def test_nothing_written_by_hand_is_a_package_called_crm():
    assert not [relative(path) for path in all_code() if "crm" in path.relative_to(ROOT).parts[:-1]]


def test_tests_of_our_code_mock_none_of_it():
    for path in modules(ROOT / "tests"):
        assert "unittest.mock" not in imports(path) | roots(imports(path)), relative(path)
