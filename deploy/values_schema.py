"""Writes deploy/helm/crm/values.schema.json, in which every key of values.yaml has a type and no other key is taken.

Services are those of the suite. `--check` writes nothing and fails if the file is not up to date.
"""

import json
import re
import sys
from pathlib import Path
from typing import Any

from chassis.settings import SERVICES

Schema = dict[str, Any]

FILE = Path(__file__).parent / "helm/crm/values.schema.json"

TEXT: Schema = {"type": "string"}
SAID: Schema = {"type": "string", "minLength": 1}
SWITCH: Schema = {"type": "boolean"}
ANYTHING: Schema = {"type": "object"}
THINGS: Schema = {"type": "array", "items": {"type": "object"}}
TEXTS: Schema = {"type": "object", "additionalProperties": {"type": "string"}}
PORT: Schema = {"type": "integer", "minimum": 1, "maximum": 65535}
RESOURCES: Schema = {"$ref": "#/definitions/resources"}
COMPONENT: Schema = {"$ref": "#/definitions/component"}


def count(least: int = 0, most: int | None = None) -> Schema:
    return {"type": "integer", "minimum": least, **({} if most is None else {"maximum": most})}


def one_of(*values: str | int) -> Schema:
    return {"enum": list(values)}


def like(pattern: str) -> Schema:
    return {"type": "string", "pattern": pattern}


def array(items: Schema) -> Schema:
    return {"type": "array", "items": items}


def keys(**properties: Schema) -> Schema:
    """A map of these keys and no others."""
    return {"type": "object", "additionalProperties": False, "properties": properties}


# Where a pod may run.
PLACEMENT = {
    "nodeSelector": TEXTS,
    "tolerations": THINGS,
    "affinity": ANYTHING,
    "priorityClassName": TEXT,
    "runtimeClassName": TEXT,
    "schedulerName": TEXT,
}
# Of a pod that runs once.
ERRAND = {"resources": RESOURCES, "podAnnotations": TEXTS, "podLabels": TEXTS, **PLACEMENT}
# Of a service or the gateway.
SCALE = {"enabled": SWITCH, "minReplicas": count(1), "maxReplicas": count(1)}
PARTS = {
    "enabled": SWITCH,
    "replicas": count(),
    "resources": RESOURCES,
    "autoscaling": keys(**SCALE, targetCPU=count(1, 100), behavior=ANYTHING),
    "keda": keys(**SCALE, lagThreshold=count(1), monitoringEndpoint=TEXT),
    "pdb": keys(enabled=SWITCH, maxUnavailable={"type": ["integer", "string"]}),
    "database": keys(
        existingSecret=TEXT, key=TEXT, ownerSecret=TEXT, ownerKey=TEXT, poolSize=count(2, 500), directKey=TEXT
    ),
    "env": {
        "type": "object",
        "propertyNames": {"pattern": "^[A-Z][A-Z0-9_]*$"},
        "additionalProperties": {"type": ["string", "number", "boolean"]},
    },
    "extraEnvFrom": THINGS,
    "extraVolumes": THINGS,
    "extraVolumeMounts": THINGS,
    "extraContainers": THINGS,
    "podAnnotations": TEXTS,
    "podLabels": TEXTS,
    **PLACEMENT,
    "topologySpreadConstraints": THINGS,
    "serviceAccount": keys(create=SWITCH, name=TEXT, annotations=TEXTS),
}
# What single services have beside that; all others have `PARTS` or nothing.
OWN = {"contracts": {"filesUrl": like("^$|^(s3|gs|az|abfs|file)://"), "filesSecret": TEXT}}


def values_key(service: str) -> str:
    """The key of a service in values: service-desk is serviceDesk."""
    return re.sub(r"-(.)", lambda found: found[1].upper(), service)


def services() -> Schema:
    bare = {"anyOf": [COMPONENT, {"type": "null"}]}
    return keys(**{values_key(one): keys(**PARTS, **OWN[one]) if one in OWN else bare for one in SERVICES})


def network_policy() -> Schema:
    reach = keys(to=THINGS, ports=array(PORT))
    return keys(
        enabled=SWITCH,
        ingressFrom=THINGS,
        metricsFrom=THINGS,
        postgres=reach,
        nats=keys(to=THINGS),
        https=reach,
        otlp=reach,
        extraIngress=THINGS,
        extraEgress=THINGS,
    )


def telemetry() -> Schema:
    bases = ("always_on", "always_off", "traceidratio")
    return keys(
        otlp=keys(enabled=SWITCH, endpoint=TEXT, protocol=one_of("grpc", "http/protobuf"), headersSecret=TEXT),
        sampler=keys(
            name=one_of(*bases, *(f"parentbased_{base}" for base in bases)),
            ratio=like(r"^(0(\.[0-9]+)?|1(\.0+)?)$"),
        ),
        serviceMonitor=keys(enabled=SWITCH, interval=like("^[0-9]+(ms|s|m|h)$"), labels=TEXTS),
        prometheusRule=keys(enabled=SWITCH, labels=TEXTS, exclude=array(TEXT)),
        dashboards=keys(enabled=SWITCH, labels=TEXTS, annotations=TEXTS),
    )


def edge() -> dict[str, Schema]:
    route = {"enabled": SWITCH, "parentRefs": THINGS, "hostnames": array(TEXT), "annotations": TEXTS, "labels": TEXTS}
    return {
        "ingress": keys(enabled=SWITCH, className=TEXT, annotations=TEXTS, hosts=array(SAID), tls=THINGS),
        "gatewayApi": keys(httpRoute=keys(**route, filters=THINGS), grpcRoute=keys(**route)),
        "service": keys(
            type=one_of("ClusterIP", "NodePort", "LoadBalancer"),
            httpPort=PORT,
            grpcPort=PORT,
            annotations=TEXTS,
            appProtocol=TEXT,
        ),
    }


def values() -> dict[str, Schema]:
    return {
        "enabled": SWITCH,
        "nameOverride": TEXT,
        "fullnameOverride": TEXT,
        # Charts that include this one may have more of their own here.
        "global": {"type": "object", "properties": {"imageRegistry": TEXT, "imagePullSecrets": THINGS}},
        "image": keys(
            registry=TEXT,
            repository=SAID,
            tag={"type": "string", "not": {"const": "latest"}},
            digests=keys(**{part: like("^sha256:[0-9a-f]{64}$") for part in (*SERVICES, "gateway", "crmctl")}),
            pullPolicy=one_of("Always", "IfNotPresent", "Never"),
        ),
        "company": keys(zone=SAID, country=like("^$|^[A-Z]{2}$"), bootstrapAdmin=TEXT),
        "oidc": keys(issuer=TEXT, jwksUrl=TEXT, tokenUrl=TEXT, audience=TEXT, clientsSecret=TEXT),
        "keys": keys(existingSecret=TEXT),
        "nats": keys(
            existingSecret=TEXT,
            # A number, since Helm reads large integers as floating point.
            streams=keys(replicas=one_of(1, 3, 5), maxBytes={"type": "number", "minimum": 1 << 20}),
            ports=array(PORT),
        ),
        "defaults": COMPONENT,
        "services": services(),
        "gateway": COMPONENT,
        "shutdown": keys(preStop=count(0, 300), drain=count(1, 600)),
        "grpc": keys(maxConnectionAge=count(10), loadBalancing=one_of("client", "mesh")),
        "log": keys(level=one_of("DEBUG", "INFO", "WARNING", "ERROR")),
        "migrations": keys(
            mode=one_of("hook", "job", "disabled"),
            backoffLimit=count(),
            activeDeadlineSeconds={"type": ["integer", "null"], "minimum": 1},
            ttlSecondsAfterFinished=count(),
            **ERRAND,
        ),
        "tests": keys(enabled=SWITCH, clientSecret=TEXT, **ERRAND),
        "tls": keys(
            enabled=SWITCH, existingSecret=TEXT, certManager=keys(issuerRef=keys(name=TEXT, kind=TEXT, group=TEXT))
        ),
        "telemetry": telemetry(),
        "networkPolicy": network_policy(),
        **edge(),
        "extraObjects": array({"type": ["object", "string"]}),
    }


def schema() -> Schema:
    quantities = {"type": "object", "additionalProperties": {"type": ["string", "number"]}}
    return {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "Values of the CRM suite",
        **keys(**values()),
        "definitions": {
            "resources": keys(requests=quantities, limits=quantities, claims=THINGS),
            "component": keys(**PARTS),
        },
    }


def main() -> None:
    text = json.dumps(schema(), indent=1) + "\n"
    if "--check" not in sys.argv:
        FILE.write_text(text)
    elif FILE.read_text() != text:
        sys.exit(f"{FILE.name} is not up to date: run `make goldens`.")


if __name__ == "__main__":
    main()
