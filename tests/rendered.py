"""What the chart renders: goldens as Helm wrote them, and Helm itself where it is installed."""

import os
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[1]
CHART = ROOT / "deploy/helm/crm"
SHAPES = sorted(path.name.removesuffix("-values.yaml") for path in (CHART / "ci").glob("*-values.yaml"))
KUBERNETES = "1.34.0"
SECONDS = 60

Thing = dict[str, Any]


def helm(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Skips the test, and says so, where there is no Helm."""
    binary = os.environ.get("HELM") or shutil.which("helm", path=f"{Path(sys.executable).parent}:{os.environ['PATH']}")
    if not binary:
        pytest.skip("Helm is not installed: the committed renders were checked, not that the chart still gives them")
    return subprocess.run([binary, *arguments], capture_output=True, text=True, timeout=SECONDS, check=False)


def render(*arguments: str) -> subprocess.CompletedProcess[str]:
    """`helm template` of the release crm in the namespace crm."""
    return helm("template", "crm", str(CHART), "--namespace", "crm", "--kube-version", KUBERNETES, *arguments)


def golden(shape: str) -> Path:
    return CHART / "golden" / f"{shape}.yaml"


@cache
def things(shape: str) -> list[Thing]:
    """The objects of a shape."""
    return [thing for thing in yaml.safe_load_all(golden(shape).read_text()) if thing]


def of_kind(shape: str, *kinds: str) -> list[Thing]:
    return [thing for thing in things(shape) if thing["kind"] in kinds]


def name(thing: Thing) -> str:
    return str(thing["metadata"]["name"])


def component(thing: Thing) -> str:
    return str(thing["metadata"]["labels"].get("app.kubernetes.io/component", ""))


def is_hook(thing: Thing) -> bool:
    return "helm.sh/hook" in thing["metadata"].get("annotations", {})


def pods(shape: str) -> dict[str, Thing]:
    """Every pod that may run, as {metadata, spec}, by the name of what makes it."""
    found = {}
    for thing in of_kind(shape, "Deployment", "Job", "Pod"):
        found[f"{thing['kind']}/{name(thing)}"] = thing if thing["kind"] == "Pod" else thing["spec"]["template"]
    return found


def containers(shape: str) -> list[tuple[str, Thing]]:
    return [(where, one) for where, pod in pods(shape).items() for one in pod["spec"]["containers"]]


def fits(selector: Thing, labels: dict[str, str]) -> bool:
    """Whether labels fit a label selector; an empty one fits all."""
    equal = all(labels.get(key) == value for key, value in selector.get("matchLabels", {}).items())
    return equal and all(_expressed(one, labels) for one in selector.get("matchExpressions", []))


def _expressed(one: Thing, labels: dict[str, str]) -> bool:
    match one["operator"]:
        case "In":
            return labels.get(one["key"]) in one["values"]
        case "NotIn":
            return labels.get(one["key"]) not in one["values"]
    raise AssertionError(f"a selector says {one['operator']}, which this test does not know")
