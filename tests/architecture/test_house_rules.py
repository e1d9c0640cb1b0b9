"""House rules that a reader would otherwise have to remember. Each has its enforcer here."""

import ast
import re

import pytest
from chassis.settings import SERVICES, package
from tree import CHASSIS, ROOT, all_code, modules, parsed, relative, service_package, services_code, strings

LONGEST_FILE, LONGEST_FUNCTION = 400, 60
NAMELESS = {"utils", "util", "common", "manager", "helpers", "helper", "base", "misc"}
COMMITTERS = {
    "chassis/chassis/inbox.py",
    "chassis/chassis/saga.py",
    "chassis/chassis/rpc.py",
    "chassis/chassis/database.py",
    "chassis/chassis/erasing.py",
    "chassis/chassis/timers.py",
    "chassis/chassis/operating.py",
    "chassis/chassis/unattended.py",
}
FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)


def calls(path, attribute: str):
    """Lines on which `something.attribute(...)` is called."""
    for node in ast.walk(parsed(path)):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == attribute:
            yield node


@pytest.mark.parametrize("path", all_code(), ids=relative)
def test_a_file_is_read_in_one_sitting(path):
    assert len(path.read_text().splitlines()) <= LONGEST_FILE


@pytest.mark.parametrize("path", all_code(), ids=relative)
def test_a_function_fits_a_screen(path):
    if "migrations" in path.parts:
        return  # a list of columns, written once and never read again
    long = [
        f"{node.name}: {node.end_lineno - node.lineno + 1}"
        for node in ast.walk(parsed(path))
        if isinstance(node, FUNCTIONS) and node.end_lineno - node.lineno >= LONGEST_FUNCTION
    ]
    assert long == []


@pytest.mark.parametrize("path", [path for path in all_code() if path.name != "__init__.py"], ids=relative)
def test_a_module_says_what_it_is_for(path):
    assert ast.get_docstring(parsed(path))


def test_a_module_is_named_by_a_noun_that_says_something():
    assert [relative(path) for path in all_code() if path.stem in NAMELESS] == []


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_has_the_same_files_as_the_others(service):
    folder = service_package(service)
    for name in ("domain", "tables", "rpc", "reactions", "__main__"):
        assert (folder / f"{name}.py").exists() or (folder / name / "__init__.py").exists(), name


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_says_what_it_owns_answers_emits_and_reacts_to(service):
    text = (ROOT / "services" / service / "README.md").read_text().lower()
    for word in ("own", "answer", "emit", "react", "setting"):
        assert word in text, word


@pytest.mark.parametrize("service", SERVICES)
def test_the_composition_root_is_short(service):
    assert len((service_package(service) / "__main__.py").read_text().splitlines()) <= 40


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_has_a_chain_of_migrations(service):
    names = sorted(path.stem for path in (ROOT / "services" / service / "migrations").glob("[0-9]*.py"))
    assert names
    assert [name.split("_")[0] for name in names] == [f"{number:04}" for number in range(1, len(names) + 1)]


def test_work_is_committed_at_the_edges_only():
    found = {relative(path) for path in (*modules(CHASSIS), *services_code()) if list(calls(path, "commit"))}
    assert found <= COMMITTERS


def test_nobody_writes_commit_as_sql():
    pattern = re.compile(r"^\s*(COMMIT|BEGIN|ROLLBACK|SAVEPOINT)\b")
    found = [
        relative(path)
        for path in (*modules(CHASSIS), *services_code())
        for _, text in strings(path)
        if pattern.match(text)
    ]
    assert found == []


def test_no_statement_takes_every_column_of_a_table():
    """A migration that adds a column changes what such a statement answers while processes have it prepared."""
    pattern = re.compile(r"RETURNING \*|(SELECT|,) ([a-z]\w*\.)?\*(?!(, now\(\))? FROM (\(|unnest\())")
    # Of a subquery that names its columns a star takes just those.
    derived = re.compile(r"(page|of_journey|person)\.\*")
    found = [
        f"{relative(path)}:{line}"
        for path in (*modules(CHASSIS), *services_code())
        for line, text in strings(path)
        if pattern.search(derived.sub("", text))
    ]
    assert found == []


def test_only_the_outbox_publishes():
    found = set()
    for path in (*modules(CHASSIS), *services_code()):
        if any(list(calls(path, name)) for name in ("publish_async",)):
            found.add(relative(path))
        found |= {relative(path) for call in calls(path, "publish") if "jetstream" in ast.unparse(call.func).lower()}
    assert found == {"chassis/chassis/outbox.py"}


def test_rules_do_not_ask_the_clock():
    """Time comes in as an argument, so that a test can say what time it is."""
    clocks = {"now", "utcnow", "today", "utc_now", "time_ns"}
    for service in SERVICES:
        folder = service_package(service)
        for path in (folder / "domain.py", *modules(folder / "domain")):
            if path.exists():
                assert not [name for name in clocks if list(calls(path, name))], relative(path)


def test_nothing_is_caught_without_a_name():
    found = [
        f"{relative(path)}:{node.lineno}"
        for path in all_code()
        for node in ast.walk(parsed(path))
        if isinstance(node, ast.ExceptHandler) and node.type is None
    ]
    assert found == []


def test_tests_do_not_sleep():
    """They wait for facts: a sleep stands only between two looks, in a loop. The programmes below tests/failures are
    no tests but what tests start: load goes on and faults last for a while."""
    found = set()
    for path in modules(ROOT / "tests"):
        if ROOT / "tests/failures" in path.parents and path.parent.name != "failures":
            continue
        loops = [node for node in ast.walk(parsed(path)) if isinstance(node, ast.While | ast.For)]
        between = {id(inside) for loop in loops for inside in ast.walk(loop)}
        found |= {f"{relative(path)}:{call.lineno}" for call in calls(path, "sleep") if id(call) not in between}
    assert found == set()


def test_no_test_moves_the_clock_of_the_whole_process():
    """A timer that the event loop sets meanwhile fires when the real clock gets there: an hour later, perhaps. A module
    that is to be tested with another time imports the function, and that name is replaced."""
    found = [
        f"{relative(path)}:{call.lineno}"
        for path in modules(ROOT / "tests")
        for call in calls(path, "setattr")
        if re.search(r"(^|\.)time$|^'time\.", ast.unparse(call.args[0]))
    ]
    assert found == []


def test_a_test_is_named_by_a_sentence():
    short = [
        f"{relative(path)}: {node.name}"
        for path in modules(ROOT / "tests")
        for node in ast.walk(parsed(path))
        if isinstance(node, FUNCTIONS) and node.name.startswith("test_") and node.name.count("_") < 3
    ]
    assert short == []


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_has_tests_of_rules_calls_and_reactions(service):
    folder = ROOT / "tests" / package(service)
    names = {path.name for path in folder.glob("test_*.py")}
    assert any("domain" in name for name in names)
    assert any("rpc" in name for name in names)


def test_telemetry_names_are_declared_in_one_place():
    declared = CHASSIS / "telemetry.py"
    pattern = re.compile(r"^crm\.(journey|actor|record|event|saga|error|request)\.?[a-z.]*$")
    found = {
        relative(path)
        for path in (*modules(CHASSIS), *services_code())
        for _, text in strings(path)
        if path != declared and CHASSIS / "stack" not in path.parents and pattern.match(text)
    }
    assert found == set()


def test_no_path_of_a_developers_machine_is_in_the_tree():
    pattern = re.compile(r"/(home|Users|work|root)/[a-z]")
    assert [relative(path) for path in all_code() for _, text in strings(path) if pattern.search(text)] == []
