"""What every pod of every shape keeps to: what the namespace's rules ask, what the code needs, what ops expect."""

import os
import re

import pytest
from chassis.settings import SERVICES, Settings
from gateway.settings import Settings as GatewaySettings
from rendered import CHART, ROOT, SHAPES, component, containers, fits, is_hook, name, of_kind, pods, things

from chassis import service
from gateway import __main__ as gateway_process

CLOSE_SECONDS = 4 * 2 + 2 + 2  # of service.Process.drain: four closings, the background's end, the last spans

shapes = pytest.mark.parametrize("shape", SHAPES)


@shapes
def test_every_pod_keeps_to_the_restricted_standard(shape):
    for where, pod in pods(shape).items():
        assert pod["spec"]["securityContext"]["runAsNonRoot"], where
        assert pod["spec"]["securityContext"]["runAsUser"] > 0, where
        assert not any(pod["spec"].get(key) for key in ("hostNetwork", "hostPID", "hostIPC")), where
        assert all({"emptyDir", "secret"} & volume.keys() for volume in pod["spec"]["volumes"]), where
    for where, one in containers(shape):
        security = one["securityContext"]
        assert security["allowPrivilegeEscalation"] is False, where
        assert security["capabilities"] == {"drop": ["ALL"]}, where
        assert security["seccompProfile"] == {"type": "RuntimeDefault"}, where
        assert security["readOnlyRootFilesystem"], where


@shapes
def test_nobody_has_the_clusters_tokens_or_links(shape):
    for where, pod in pods(shape).items():
        assert pod["spec"]["automountServiceAccountToken"] is False, where
        assert pod["spec"]["enableServiceLinks"] is False, where
    assert all(one["automountServiceAccountToken"] is False for one in of_kind(shape, "ServiceAccount"))
    assert not of_kind(shape, "Role", "RoleBinding", "ClusterRole", "ClusterRoleBinding", "Secret")


@shapes
def test_memory_is_limited_and_processors_are_not(shape):
    for where, one in containers(shape):
        assert "memory" in one["resources"]["limits"], where
        assert "cpu" not in one["resources"]["limits"], where
        assert {"cpu", "memory"} <= one["resources"]["requests"].keys(), where


@shapes
def test_every_container_runs_an_image_of_ours_that_has_its_code(shape):
    for where, one in containers(shape):
        part = {"streams": "crmctl", "smoke": "crmctl"}.get(one["name"], one["name"].removeprefix("migrate-"))
        image = one["image"].rpartition("/")[2]
        assert re.fullmatch(rf"crm-{part}(:[\w.]+|@sha256:[0-9a-f]{{64}})", image), where
        assert not image.endswith(":latest")


def test_a_digest_wins_over_the_tag():
    images = {where: one["image"] for where, one in containers("production")}
    assert images["Deployment/crm-leads"].startswith("registry.example.org/crm-leads@sha256:")
    assert images["Job/crm-migrate-leads"] == images["Deployment/crm-leads"]
    assert images["Deployment/crm-sales"] == "registry.example.org/crm-sales:1.4.2"


@shapes
def test_a_pod_has_the_time_that_the_code_takes_to_stop(shape):
    for one in of_kind(shape, "Deployment"):
        pod = one["spec"]["template"]["spec"]
        [container] = [each for each in pod["containers"] if each["name"] == component(one)]
        waits = container["lifecycle"]["preStop"]["sleep"]["seconds"]
        gateway_drains, service_drains = gateway_process.DRAIN_SECONDS + 2, service.DRAIN_SECONDS + CLOSE_SECONDS
        needed = waits + (gateway_drains if component(one) == "gateway" else service_drains)
        assert pod["terminationGracePeriodSeconds"] >= needed, name(one)


@shapes
def test_secrets_come_by_reference(shape):
    for where, one in containers(shape):
        for variable in one["env"]:
            secret = variable["name"].endswith(("SECRET", "KEY", "DATABASE_URL", "NATS_URL", "OWNER", "DIRECT"))
            assert "secretKeyRef" in variable.get("valueFrom", {}) or not secret, (where, variable)


@shapes
def test_services_are_told_all_they_need_and_nothing_that_nobody_reads(shape, monkeypatch):
    folders = ("chassis/chassis", "cli/crmctl", "gateway/gateway", "services/contracts/contracts")
    code = "\n".join(path.read_text() for folder in folders for path in (ROOT / folder).glob("*.py"))
    for where, one in containers(shape):
        told = {variable["name"]: variable.get("value", "x" * 40) for variable in one["env"]}
        unread = [key for key in told if f'"{key}"' not in code and not key.startswith(("UPSTREAM_", "OTEL_"))]
        assert set(unread) <= {"NODE_IP", "NODE_NAME", "POD_NAME"}, (where, unread)
        if where == "Deployment/crm-gateway":
            assert GatewaySettings.read(told | {"DESCRIPTORS": __file__}).upstreams.keys() == upstreams(shape)
        elif where.startswith("Deployment/"):
            for key in list(os.environ):
                monkeypatch.delenv(key)
            for key, value in told.items():
                monkeypatch.setenv(key, value)
            assert Settings.read().client_id == f"services/{one['name']}"
            monkeypatch.undo()


def upstreams(shape):
    return {component(one).replace("-", "_") for one in of_kind(shape, "Deployment") if component(one) != "gateway"}


def test_the_whole_suite_is_there():
    assert {component(one) for one in of_kind("minimal", "Deployment")} == {*SERVICES, "gateway"}


@shapes
def test_probes_ask_paths_and_ports_that_are_there(shape):
    for one in of_kind(shape, "Deployment"):
        [container] = one["spec"]["template"]["spec"]["containers"]
        ports = {port["name"] for port in container["ports"]}
        asked = {kind: container[f"{kind}Probe"]["httpGet"] for kind in ("startup", "liveness", "readiness")}
        assert {probe["port"] for probe in asked.values()} <= ports
        assert [probe["path"] for probe in asked.values()] == ["/livez", "/livez", "/readyz"]


@shapes
def test_hooks_need_nothing_of_the_release(shape):
    """Nothing of it exists when it is installed first."""
    made = {(thing["kind"], name(thing)) for thing in things(shape) if not is_hook(thing)}
    for job in of_kind(shape, "Job"):
        if not is_hook(job):
            continue
        pod = job["spec"]["template"]["spec"]
        assert pod["serviceAccountName"] == "default"
        keys = [variable["valueFrom"]["secretKeyRef"]["name"] for variable in pod["containers"][0]["env"]
                if "secretKeyRef" in variable.get("valueFrom", {})]  # fmt: skip
        assert keys, name(job)
        assert not {("Secret", key) for key in keys} & made, name(job)
        assert not any("secret" in volume for volume in pod["volumes"]), name(job)


def test_jobs_of_installers_without_hooks_have_a_name_for_each_pod():
    names = {name(job) for job in of_kind("argocd", "Job")}
    assert len(names) == len(SERVICES) + 1
    assert not names & {name(job) for job in of_kind("minimal", "Job")}
    assert not any(is_hook(job) for job in of_kind("argocd", "Job"))


@shapes
def test_replicas_have_one_master(shape):
    scaled = [
        one["spec"]["scaleTargetRef"]["name"] for one in of_kind(shape, "HorizontalPodAutoscaler", "ScaledObject")
    ]
    assert len(scaled) == len(set(scaled))
    for one in of_kind(shape, "Deployment"):
        assert ("replicas" in one["spec"]) == (name(one) not in scaled), name(one)


@shapes
def test_a_budget_is_kept_where_there_is_something_to_keep(shape):
    least = {name(one): one["spec"]["replicas"] for one in of_kind(shape, "Deployment") if "replicas" in one["spec"]}
    least |= {name(one): one["spec"]["minReplicas"] for one in of_kind(shape, "HorizontalPodAutoscaler")}
    least |= {name(one): one["spec"]["minReplicaCount"] for one in of_kind(shape, "ScaledObject")}
    assert {name(one) for one in of_kind(shape, "PodDisruptionBudget")} == {key for key, n in least.items() if n > 1}


@shapes
def test_selectors_find_their_pods_and_never_a_version(shape):
    labels = {where: pod["metadata"]["labels"] for where, pod in pods(shape).items() if "Deployment" in where}
    for one in of_kind(shape, "Deployment", "PodDisruptionBudget"):
        found = [where for where, has in labels.items() if fits(one["spec"]["selector"], has)]
        assert found == [f"Deployment/{name(one)}"], name(one)
        assert "version" not in str(one["spec"]["selector"])
    for one in of_kind(shape, "Service"):
        found = [where for where, has in labels.items() if fits({"matchLabels": one["spec"]["selector"]}, has)]
        assert found == [f"Deployment/{name(one).removesuffix('-headless')}"], name(one)


@shapes
def test_callers_find_whom_they_call(shape):
    services = {name(one): one for one in of_kind(shape, "Service")}
    for where, container in containers(shape):
        for variable in container["env"]:
            if variable["name"].startswith("UPSTREAM_"):
                host, port = variable["value"].removeprefix("dns:///").split(":")
                service_name, namespace, kind = host.split(".")
                assert (namespace, kind) == ("crm", "svc"), where
                assert int(port) in {each["port"] for each in services[service_name]["spec"]["ports"]}, where
                headless = services[service_name]["spec"].get("clusterIP") == "None"
                assert headless == (shape != "mesh"), where


@shapes
def test_everything_says_its_namespace_and_whose_it_is(shape):
    for thing in things(shape):
        if name(thing) != "told-by-values":
            assert thing["metadata"]["namespace"] == "crm", name(thing)
            assert thing["metadata"]["labels"]["app.kubernetes.io/instance"] == "crm", name(thing)


def test_what_values_have_of_a_service_is_little():
    """The promise to whoever adds one."""
    own = (CHART / "values.yaml").read_text().split("\nservices:")[1].split("\ngateway:")[0]
    assert own.count("\n") <= 10 + 2 * len(SERVICES)
