"""Bad values get a sentence that names the key and says what to do."""

import json
import re

import pytest
import yaml
from jsonschema_rs import Draft7Validator
from rendered import CHART, SHAPES, render

SCHEMA = json.loads((CHART / "values.schema.json").read_text())
MINIMAL = str(CHART / "ci" / "minimal-values.yaml")


@pytest.mark.parametrize("shape", SHAPES)
def test_good_values_are_taken(shape):
    values = yaml.safe_load((CHART / "ci" / f"{shape}-values.yaml").read_text())
    assert not list(Draft7Validator(SCHEMA).iter_errors(values))


def test_the_schema_knows_every_value_and_no_other():
    defaults = yaml.safe_load((CHART / "values.yaml").read_text())
    assert not list(Draft7Validator(SCHEMA).iter_errors(defaults))
    assert SCHEMA["properties"].keys() == defaults.keys()
    assert SCHEMA["definitions"]["component"]["properties"].keys() == defaults["defaults"].keys()


def test_the_schema_needs_no_network():
    found = re.findall(r'"\$ref": "([^"]*)"', (CHART / "values.schema.json").read_text())
    assert found
    assert all(where.startswith("#/definitions/") for where in found)


WRONG = [
    ({"replica": 2}, "replica"),
    ({"services": {"lead": {}}}, "lead"),
    ({"services": {"leads": {"replicas": "two"}}}, "services.leads"),
    ({"services": {"leads": {"filesUrl": "s3://x"}}}, "services.leads"),
    ({"services": {"contracts": {"filesUrl": "ftp://x"}}}, "services.contracts.filesUrl"),
    ({"image": {"tag": "latest"}}, "image.tag"),
    ({"image": {"digests": {"leads": "sha256:12"}}}, "image.digests.leads"),
    ({"image": {"digests": {"lead": "sha256:" + 64 * "0"}}}, "lead"),
    ({"migrations": {"mode": "initContainer"}}, "migrations.mode"),
    ({"company": {"country": "Bulgaria"}}, "company.country"),
    ({"nats": {"streams": {"replicas": 2}}}, "nats.streams.replicas"),
    ({"telemetry": {"sampler": {"ratio": "2"}}}, "telemetry.sampler.ratio"),
    ({"grpc": {"loadBalancing": "random"}}, "grpc.loadBalancing"),
    ({"defaults": {"env": {"lower case": "x"}}}, "lower case"),
]


@pytest.mark.parametrize(("values", "key"), WRONG, ids=[key for _, key in WRONG])
def test_what_the_schema_refuses_is_named(values, key):
    errors = list(Draft7Validator(SCHEMA).iter_errors(values))
    assert errors
    assert any(key in f"{'.'.join(map(str, one.instance_path))} {one.message}" for one in errors)


@pytest.mark.parametrize(("values", "key"), WRONG, ids=[key for _, key in WRONG])
def test_helm_refuses_it_too(values, key, tmp_path):
    (tmp_path / "bad.yaml").write_text(yaml.safe_dump(values))
    done = render("--values", MINIMAL, "--values", str(tmp_path / "bad.yaml"))
    assert done.returncode != 0
    assert key.split(".")[-1] in done.stderr


SENTENCES = [
    ("services.directory.enabled=false", "services.directory.enabled: directory belongs to every installation"),
    ("shutdown.drain=5", "Set 17 or more."),
    ("services.leads.autoscaling.enabled=true,services.leads.keda.enabled=true", "services.leads: autoscaling.enabled"),
    ("services.serviceDesk.autoscaling.minReplicas=11", "services.serviceDesk.autoscaling: minReplicas (11)"),
    ("services.leads.keda.enabled=true", "services.leads.keda.monitoringEndpoint"),
    ("gateway.keda.enabled=true", "Use gateway.autoscaling."),
    ("oidc.issuer=", "oidc.issuer is missing"),
    ("oidc.jwksUrl=", "oidc.jwksUrl is missing"),
    ("oidc.tokenUrl=", "oidc.tokenUrl is missing"),
    ("oidc.clientsSecret=", "oidc.clientsSecret is missing"),
    ("keys.existingSecret=", "keys.existingSecret is missing"),
    ("nats.existingSecret=", "nats.existingSecret is missing"),
    ("services.contracts.filesUrl=", "services.contracts.filesUrl is missing"),
    ("tls.enabled=true", "tls: enabled without a certificate"),
    ("ingress.enabled=true", "ingress.hosts is empty"),
    ("gatewayApi.httpRoute.enabled=true", "gatewayApi.httpRoute.parentRefs is empty"),
    ("gatewayApi.grpcRoute.enabled=true", "gatewayApi.grpcRoute.parentRefs is empty"),
]


@pytest.mark.parametrize(("values", "sentence"), SENTENCES, ids=[values for values, _ in SENTENCES])
def test_what_only_the_chart_can_see_is_told_in_a_sentence(values, sentence):
    done = render("--values", MINIMAL, "--set", values)
    assert done.returncode != 0
    assert sentence in done.stderr


def test_every_sentence_is_tested():
    fails = (CHART / "templates" / "validations.yaml").read_text().count("fail ")
    assert fails == 11, "a new sentence is tested above"
