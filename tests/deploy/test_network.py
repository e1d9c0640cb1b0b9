"""Who reaches whom when networks are closed: the policies as an enforcing network reads them."""

import pytest
from chassis.settings import SERVICES
from rendered import Thing, component, fits, name, of_kind, pods, things

SHAPE = "production"
EDGE = {"namespace": "edge"}


def labels_of(part: str) -> dict[str, str]:
    [found] = [
        pod["metadata"]["labels"]
        for pod in pods(SHAPE).values()
        if pod["metadata"]["labels"]["app.kubernetes.io/component"] == part
    ]
    return found


def allowed(source: str, target: str, port: str | int) -> bool:
    """Whether both ends let a connection pass between two parts of the release. `port`: as the target's pod names it,
    with its number for the sender's side."""
    numbers = {"grpc": 50051, "http": 8080, "admin": 8090}
    leaves = any(
        _peers(rule, "to", target) and _ports(rule, {numbers[port]}) for rule in _rules(source, "egress", "Egress")
    )
    enters = any(
        _peers(rule, "from", source) and _ports(rule, {port, numbers[port]})
        for rule in _rules(target, "ingress", "Ingress")
    )
    return leaves and enters


def _rules(part: str, key: str, kind: str) -> list[Thing]:
    """Of all policies that concern a pod; there is at least one, or it would be open."""
    policies = [
        one["spec"]
        for one in of_kind(SHAPE, "NetworkPolicy")
        if fits(one["spec"]["podSelector"], labels_of(part)) and kind in one["spec"]["policyTypes"]
    ]
    assert policies, f"{part} is open"
    return [rule for policy in policies for rule in policy.get(key) or []]


def _peers(rule: Thing, key: str, part: str) -> bool:
    peers = rule.get(key)
    return peers is None or any(
        "podSelector" in peer and "namespaceSelector" not in peer and fits(peer["podSelector"], labels_of(part))
        for peer in peers
    )


def _ports(rule: Thing, ports: set[str | int]) -> bool:
    return "ports" not in rule or any(one["port"] in ports for one in rule["ports"])


@pytest.mark.parametrize("service", SERVICES)
def test_the_gateway_calls_every_service(service):
    assert allowed("gateway", service, "grpc")


@pytest.mark.parametrize("service", SERVICES)
def test_services_call_each_other(service):
    assert all(allowed(other, service, "grpc") for other in SERVICES)


@pytest.mark.parametrize("service", SERVICES)
def test_no_service_calls_the_gateway(service):
    assert not allowed(service, "gateway", "http")
    assert not allowed(service, "gateway", "grpc")


@pytest.mark.parametrize("errand", ["streams", "migrate-leads", "smoke"])
def test_errands_call_no_service(errand):
    assert not any(allowed(errand, service, "grpc") for service in SERVICES)


def test_the_test_calls_the_gateway():
    assert allowed("smoke", "gateway", "http")


def test_metrics_are_read_by_monitoring_alone():
    assert not any(allowed(other, "leads", "admin") for other in (*SERVICES, "gateway", "smoke"))


def test_every_policy_finds_a_pod():
    """One that finds none guards nothing."""
    for one in of_kind(SHAPE, "NetworkPolicy"):
        found = [
            where for where, pod in pods(SHAPE).items() if fits(one["spec"]["podSelector"], pod["metadata"]["labels"])
        ]
        assert found, name(one)


def test_names_are_asked_over_both_protocols():
    for part in (*SERVICES, "gateway", "streams", "smoke"):
        ports = [one for rule in _rules(part, "egress", "Egress") for one in rule["ports"] if one["port"] == 53]
        assert {one["protocol"] for one in ports} == {"UDP", "TCP"}, part


def test_routes_lead_to_the_gateway_and_a_port_it_has():
    [service] = [one for one in of_kind("gateway-api", "Service") if component(one) == "gateway"]
    ports = {one["name"]: one["port"] for one in service["spec"]["ports"]}
    for kind, port in (("HTTPRoute", "http"), ("GRPCRoute", "grpc")):
        [route] = of_kind("gateway-api", kind)
        assert route["spec"]["rules"][0]["backendRefs"] == [{"name": name(service), "port": ports[port]}]
    [ingress] = of_kind("production", "Ingress")
    backend = ingress["spec"]["rules"][0]["http"]["paths"][0]["backend"]["service"]
    assert backend == {"name": name(service), "port": {"name": "http"}}


def test_a_certificate_names_every_address_that_is_called():
    [certificate] = of_kind(SHAPE, "Certificate")
    called = {
        variable["value"].removeprefix("dns:///").split(":")[0]
        for pod in pods(SHAPE).values()
        for variable in pod["spec"]["containers"][0]["env"]
        if variable["name"].startswith("UPSTREAM_")
    }
    assert called <= set(certificate["spec"]["dnsNames"])
    mounted = {volume["secret"]["secretName"] for one in of_kind(SHAPE, "Deployment")
               for volume in one["spec"]["template"]["spec"]["volumes"] if "secret" in volume}  # fmt: skip
    assert mounted == {certificate["spec"]["secretName"]}


def test_text_of_the_values_is_a_template():
    [told] = [thing for thing in things(SHAPE) if name(thing) == "told-by-values"]
    assert told["data"] == {"release": "crm"}
