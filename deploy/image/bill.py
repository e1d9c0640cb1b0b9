"""The bill of materials of an image (CycloneDX 1.5): its Python distributions and Debian packages, with versions."""

import re
import subprocess
from collections.abc import Sequence
from importlib.metadata import distribution
from pathlib import Path
from typing import Any

LOCK = Path(__file__).resolve().parents[2] / "requirements.lock"


def of(image: str, distributions: Sequence[str], debian: Sequence[str]) -> dict[str, Any]:
    components = [*map(python_component, distributions), *map(debian_component, debian)]
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "version": 1,
        "metadata": {"component": {"type": "application", "name": f"crm-{image}", "bom-ref": f"crm-{image}"}},
        "components": components,
    }


def python_component(name: str) -> dict[str, Any]:
    one = distribution(name)
    identity = f"pkg:pypi/{name}@{one.version}"
    licence = one.metadata["License-Expression"]
    return {
        "type": "library",
        "name": name,
        "version": one.version,
        "purl": identity,
        "bom-ref": identity,
        **({"licenses": [{"expression": licence}]} if licence else {}),
        "externalReferences": [
            {
                "type": "distribution",
                "url": identity,
                "hashes": [{"alg": "SHA-256", "content": each} for each in hashes(name)],
            }
        ],
    }


def hashes(name: str) -> list[str]:
    """What the lock admits of a distribution: one for each file it is published as."""
    found = re.search(rf"^{re.escape(name)}==.*?(?=^\S|\Z)", LOCK.read_text(), re.MULTILINE | re.DOTALL)
    return re.findall(r"--hash=sha256:([0-9a-f]{64})", found[0]) if found else []


def debian_component(name: str) -> dict[str, Any]:
    form = "${Package}\t${Version}\t${Architecture}"
    told = subprocess.run(
        ["dpkg-query", "--show", f"--showformat={form}", name], check=True, capture_output=True, text=True
    )
    package, version, architecture = told.stdout.split("\t")
    identity = f"pkg:deb/debian/{package}@{version}?arch={architecture}"
    return {"type": "library", "name": package, "version": version, "purl": identity, "bom-ref": identity}
