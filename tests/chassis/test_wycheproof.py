"""Project Wycheproof's cases for signed tokens and keys, from its own package: `go mod download`, checksum verified.

They are not part of this repository (25 MB, and theirs). Without Go, or without a module proxy, the test is skipped and
says so. Our verifier takes RS256, ES256 and EdDSA of a published key set, and nothing else that Wycheproof calls valid.
"""

import json
import subprocess
from collections import Counter
from pathlib import Path

import pytest
from chassis.signing_keys import KINDS, usable
from chassis.tokens import FORM, TokenRefused, key_id, payload

MODULE = "github.com/c2sp/wycheproof@v0.0.0-20260902155932-3fa63dd0344a"
SUM = "h1:pNbL2nztRsWfW/ispAwsvcDFxs9Id38uIsR2/Up5G2c="
FILES = ("json_web_signature_test.json", "json_web_key_test.json", "json_web_crypto_test.json")

# Invalid for Wycheproof, taken by us: the key was made by a library that made weak ones until 2017 (ROCA). Whether the
# issuer's keys are strong is the issuer's matter.
TAKEN = {"rejectsKeyWithRocaVulnerability"}


@pytest.fixture(scope="session")
def vectors(tmp_path_factory) -> Path:
    command = ["go", "mod", "download", "-json", MODULE]
    folder = tmp_path_factory.mktemp("go")
    try:
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=180)
    except (OSError, subprocess.TimeoutExpired) as missing:
        pytest.skip(f"Wycheproof's cases need Go and a module proxy: {missing}")
    if done.returncode:
        pytest.skip(f"Wycheproof's cases cannot be downloaded: {done.stdout.strip()[-200:]} {done.stderr[-200:]}")
    found = json.loads(done.stdout)
    assert found["Sum"] == SUM
    return Path(found["Dir"]) / "testvectors_v1"


def groups(vectors: Path):
    for name in FILES:
        for group in json.loads((vectors / name).read_text())["testGroups"]:
            if "jwe" not in group["comment"]:
                yield group


def taken(group: dict, token: object) -> bool:
    """Whether a service would believe the signature, if the issuer published the group's keys."""
    keys = group.get("public") or group["private"]
    published = usable(json.dumps(keys if "keys" in keys else {"keys": [keys]}).encode())
    if not isinstance(token, str) or not FORM.fullmatch(token):
        return False
    try:
        key = published.get(key_id(token))
        if key is None:
            return False
        payload(token, key)
        return True
    except TokenRefused:
        return False


def of_our_kinds(group: dict) -> bool:
    """Whether the group's keys are of an algorithm that we take; `ES521` and the like are no algorithms at all."""
    keys = group.get("public") or group["private"]
    return {key.get("alg") for key in keys.get("keys", [keys])} <= set(KINDS)


def test_every_invalid_case_of_wycheproof_is_refused_and_every_valid_one_of_our_algorithms_taken(vectors):
    wrong, count = [], Counter()
    for group in groups(vectors):
        for case in group["tests"]:
            believed = taken(group, case["jws"])
            name = f"{group['comment']} {case['tcId']} {case['comment']}"
            if case["result"] == "valid" and of_our_kinds(group):
                count["valid, taken"] += believed
                wrong += [] if believed else [f"valid, but refused: {name}"]
            elif case["result"] == "valid":
                count["valid, of an algorithm we do not take"] += 1
                wrong += [f"not ours, but taken: {name}"] if believed else []
            elif case["comment"] in TAKEN:
                count["invalid, taken knowingly"] += believed
            else:
                count[f"{case['result']}, refused"] += not believed
                wrong += [f"{case['result']}, but taken: {name}"] if believed else []
    print(dict(count))
    assert wrong == []
    assert count["invalid, refused"] > 300
    assert count["valid, taken"] > 10
