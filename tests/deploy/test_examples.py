"""The examples of examples/kubernetes: the chart takes their values, and they name what there is."""

import json
import os
import subprocess
import sys

import pytest
import yaml
from chassis.settings import SERVICES, package
from chassis.stack.nats_server import _binary
from rendered import ROOT, helm, render

FOLDER = ROOT / "examples/kubernetes"


def read(name: str) -> list[dict]:
    return list(yaml.safe_load_all((FOLDER / name).read_text()))


@pytest.mark.parametrize("name", ["values.yaml", "values-small.yaml"])
def test_the_chart_takes_the_values(name):
    done = render("--values", str(FOLDER / name))
    assert done.returncode == 0, done.stderr


def test_every_service_has_a_database_whose_secret_the_values_name():
    made = {cluster["metadata"]["name"]: cluster["spec"]["bootstrap"]["initdb"] for cluster in read("postgres.yaml")}
    assert made.keys() == {f"{service}-db" for service in SERVICES}
    assert {one["database"] for one in made.values()} == set(map(package, SERVICES))
    [values] = read("values.yaml")
    named = {own["database"]["existingSecret"] for own in values["services"].values()}
    assert named == {f"{cluster}-app" for cluster in made}


def test_a_small_installation_leaves_postgres_connections_to_others():
    [values] = read("values-small.yaml")
    assert values["defaults"]["replicas"] * values["defaults"]["database"]["poolSize"] * len(SERVICES) < 97


def test_what_argo_and_flux_are_pointed_to_is_there():
    [argo] = read("argocd.yaml")
    source = argo["spec"]["source"]
    for name in source["helm"]["valueFiles"]:
        assert (ROOT / source["path"] / name).exists()
    release = read("flux.yaml")[1]["spec"]["chart"]["spec"]
    assert all((ROOT / name).exists() for name in release["valuesFiles"])
    assert (ROOT / release["chart"] / "Chart.yaml").exists()


def test_flux_gives_the_chart_its_values_in_their_order():
    names = read("flux.yaml")[1]["spec"]["chart"]["spec"]["valuesFiles"]
    done = helm("template", "crm", str(ROOT / "deploy/helm/crm"), "--kube-version", "1.34.0", "--values",
                ",".join(str(ROOT / name) for name in names))  # fmt: skip
    assert done.returncode == 0, done.stderr


def test_nats_takes_the_accounts_and_reads_passwords_from_its_environment(tmp_path):
    done = subprocess.run(
        [sys.executable, str(FOLDER / "nats_values.py")], capture_output=True, text=True, check=True,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
    )  # fmt: skip
    values = yaml.safe_load(done.stdout)
    passwords = values["container"]["env"]
    text = json.dumps(values["config"]["merge"])
    for name in passwords:
        assert f'"<< ${name} >>"' in text
        text = text.replace(f'"<< ${name} >>"', f"${name}")
    (tmp_path / "nats.conf").write_text(text)
    command = [str(_binary()), "--config", str(tmp_path / "nats.conf"), "-t"]
    known = subprocess.run(command, capture_output=True, text=True, env=dict.fromkeys(passwords, "secret"), check=False)
    assert known.returncode == 0, known.stderr
    unknown = subprocess.run(command, capture_output=True, text=True, env={}, check=False)
    assert unknown.returncode != 0
    assert {one["valueFrom"]["secretKeyRef"]["key"] for one in passwords.values()} == {"admin", *SERVICES}
