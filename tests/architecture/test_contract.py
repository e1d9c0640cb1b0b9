"""A walk over crm.binpb: what the contract promises, some code keeps, somebody may call, and a test has tried."""

import importlib
import inspect
import re
from functools import cache

import pytest
from chassis.audit_log import AuditService
from chassis.event_log import EventLogService
from chassis.identity import roles
from chassis.personal_data import PersonalDataService
from chassis.settings import SERVICES, package
from crm.options.v1 import options_pb2
from tree import ROOT, contract, http, image, modules, relative, route

METHODS = [pytest.param(service, method, id=f"{service.name}/{method.name}") for service, method in contract()]


def internal(method) -> bool:
    return method.GetOptions().Extensions[options_pb2.internal]


def permission(method) -> str:
    return method.GetOptions().Extensions[options_pb2.permission]


@cache
def handlers() -> dict[str, object]:
    """Service name of the contract → the object that answers it."""
    servicers = [EventLogService(None), AuditService(), PersonalDataService(None, None)]
    for service in SERVICES:
        servicers += importlib.import_module(f"{package(service)}.__main__").SERVICE.rpcs
    return {servicer.descriptor.full_name: servicer for servicer in servicers}


@cache
def tried() -> str:
    """The text of every test but the architecture's."""
    return "\n".join(path.read_text() for path in modules(ROOT / "tests") if "architecture" not in path.parts)


def test_the_walk_sees_all_services():
    assert {service.full_name.split(".")[1] for service, _ in contract()} == {*map(package, SERVICES), "chassis"}


@pytest.mark.parametrize(("service", "method"), METHODS)
def test_a_method_has_a_handler(service, method):
    assert callable(getattr(handlers().get(service.full_name), method.name, None))


@pytest.mark.parametrize(("service", "method"), METHODS)
def test_a_method_names_a_permission_that_some_role_has(service, method):
    needed = permission(method)
    given = {name for role, permissions in roles().items() for name in permissions if role != "service"}
    if method.GetOptions().Extensions[options_pb2.anonymous]:
        assert not needed, "who needs no token needs no permission"
        return
    assert needed
    assert needed in given or (internal(method) and "*" in given)


@pytest.mark.parametrize(("service", "method"), METHODS)
def test_a_method_has_a_route_or_is_internal(service, method):
    assert bool(route(method)) != internal(method)


@pytest.mark.parametrize(("service", "method"), METHODS)
def test_a_method_was_tried_by_a_test(service, method):
    """By its name as `LeadService/GetLead` or `"GetLead"`, by its request, or by the last word of its route."""
    path = route(method)
    custom = path.rpartition(":")[2] if ":" in path else ""
    said = [f"{service.name}/{method.name}", f'"{method.name}"', f"{method.name}Request("]
    said += [f":{custom}"] if custom not in ("", "archive", "restore") else []
    assert any(text in tried() for text in said), f"no test names {service.name}/{method.name}"


def test_no_two_methods_share_a_route():
    routes = [http(method) for _, method in contract() if route(method)]
    assert len(routes) == len(set(routes))


def test_no_two_collections_share_a_name():
    owners: dict[str, set[str]] = {}
    for service, method in contract():
        if method.name.startswith("Create"):
            owners.setdefault(route(method).split("/")[2].split(":")[0], set()).add(service.full_name)
    assert all(len(names) == 1 for names in owners.values())


def test_every_permission_of_a_role_is_asked_for_somewhere():
    asked = {permission(method) for _, method in contract()} | {"*", "act_for"}
    unknown = {name for permissions in roles().values() for name in permissions} - asked
    assert not unknown, f"no method asks for {sorted(unknown)}"


@pytest.mark.parametrize(("service", "method"), METHODS)
def test_a_change_can_be_repeated_safely(service, method):
    """Whatever is no reading takes a request id; internal methods are idempotent by what they name."""
    reading = method.name.startswith(
        ("Get", "List", "Read", "Search", "Render", "Download", "Check", "Export", "Preview", "Simulate", "Suggest")
    ) or (http(method)[0] == "get")
    assert reading or internal(method) or "request_id" in method.input_type.fields_by_name


@pytest.mark.parametrize(
    ("service", "method"), [one for one in METHODS if "request_id" in one.values[1].input_type.fields_by_name]
)
def test_a_change_is_told_by_an_event(service, method):
    """The audit trail, the timeline and every other service know of a change by its event."""
    handler = getattr(handlers()[service.full_name], method.name)
    module = vars(importlib.import_module(handler.__module__))
    called = [module[name] for name in handler.__code__.co_names if name in module]
    said = [inspect.getsource(item) for item in (handler, *called) if inspect.ismodule(item) or callable(item)]
    assert any(".emit(" in text for text in said), f"{service.name}/{method.name} changes something and says nothing"


def every_element():
    """(file, path, kind) of each message, field, enum value, service and method, with its comment."""
    for file in image().file:
        if file.name.startswith("crm/"):
            comments = {tuple(place.path): place.leading_comments.strip() for place in file.source_code_info.location}
            for number, service in enumerate(file.service):
                yield f"{file.package}.{service.name}", comments.get((6, number), "")
                for index, method in enumerate(service.method):
                    yield f"{service.name}.{method.name}", comments.get((6, number, 2, index), "")
            for number, message in enumerate(file.message_type):
                yield f"{file.package}.{message.name}", comments.get((4, number), "")
                for index, field in enumerate(message.field):
                    yield f"{message.name}.{field.name}", comments.get((4, number, 2, index), "")


def test_everything_in_the_contract_has_a_comment():
    assert [name for name, comment in every_element() if not comment] == []


@pytest.mark.parametrize("service", SERVICES)
def test_every_event_of_the_contract_is_emitted_by_its_service(service):
    """A message of events.proto whose first field is a record, and that no code ever makes, is a promise not kept."""
    events = importlib.import_module(f"crm.{package(service)}.v1.events_pb2") if _has_events(service) else None
    folder = ROOT / "services" / service
    text = "\n".join(path.read_text() for path in modules(folder))
    made = [name for name in (events.DESCRIPTOR.message_types_by_name if events else ()) if f"{name}(" not in text]
    assert made == []


def _has_events(service: str) -> bool:
    return (ROOT / "proto" / "crm" / package(service) / "v1" / "events.proto").exists()


@pytest.mark.parametrize("service", SERVICES)
def test_what_a_list_says_can_be_filtered_can_be(service):
    """The fields a List request's comment names are columns with the flag, and no others are."""
    tables = importlib.import_module(f"{package(service)}.tables").RECORDS
    flagged = {name for table in tables.values() for name, column in table.columns.items() if column.info.get("filter")}
    promised = {
        word
        for name, comment in every_element()
        if name.startswith("List") and name.endswith("Request.filter") and _of(service, name)
        for said in re.findall(r"Fields:([^.]*)", comment)
        for word in re.findall(r"[a-z_]{3,}", re.sub(r"\([^)]*\)|none yet", "", said))
    }
    assert promised <= flagged, f"{relative(ROOT / 'services' / service)}: {sorted(promised - flagged)}"


def _of(service: str, element: str) -> bool:
    file = importlib.import_module(f"crm.{package(service)}.v1.{package(service)}_pb2")
    return element.split(".")[0] in file.DESCRIPTOR.message_types_by_name
