"""The recipes of docs/recipes, applied to a copy of this tree: they work, and cost as few edits as they say."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
LEFT_OUT = shutil.ignore_patterns(".git", ".venv", ".crm", "gen", "__pycache__", ".*_cache", ".hypothesis")


def patch_of(recipe: str) -> str:
    text = (ROOT / f"docs/recipes/{recipe}.md").read_text()
    return re.findall(r"```diff\n(.*?)```", text, re.DOTALL)[0]


def files_by_hand(recipe: str) -> set[str]:
    return set(re.findall(r"^\+\+\+ b/(.*)$", patch_of(recipe), re.MULTILINE))


def run(copy: Path, *command: str, timeout: float = 1500) -> subprocess.CompletedProcess[str]:
    sources = ["chassis", "gateway", "cli", "proto/gen", "proto", *map(str, sorted((copy / "services").glob("*")))]
    path = os.pathsep.join(str(copy / source) for source in sources)
    return subprocess.run(
        [sys.executable, *command],
        cwd=copy,
        env=os.environ | {"PYTHONPATH": path},
        capture_output=True,
        text=True,
        timeout=timeout,
    )


@pytest.fixture(scope="module")
def copy(tmp_path_factory) -> Path:
    """A copy of the tree with all three recipes applied."""
    folder = tmp_path_factory.mktemp("recipes") / "copy"
    shutil.copytree(ROOT, folder, ignore=LEFT_OUT)
    for recipe in ("add-an-rpc", "add-an-event"):
        patched = subprocess.run(
            ["git", "apply", "--unsafe-paths", f"--directory={folder}"],
            input=patch_of(recipe),
            text=True,
            capture_output=True,
            cwd=folder,
        )
        assert patched.returncode == 0, f"{recipe}: {patched.stderr}"
    for command in (("services/new_service.py", "loyalty"), ("proto/generate.py",), ("docs/generate.py",)):
        done = run(folder, *command)
        assert done.returncode == 0, done.stdout + done.stderr
    written = run(folder, "-m", "gateway.openapi")
    assert written.returncode == 0, written.stderr
    return folder


def test_an_rpc_costs_five_files():
    assert files_by_hand("add-an-rpc") == {
        "proto/crm/leads/v1/leads.proto",
        "services/leads/leads/domain/lead.py",
        "services/leads/leads/rpc/life.py",
        "tests/leads/test_rank.py",
        "tests/matrix/recipes.py",
    }


def test_an_event_costs_two_files_and_a_test():
    assert files_by_hand("add-an-event") == {
        "proto/crm/leads/v1/events.proto",
        "services/leads/leads/domain/lead.py",
        "tests/leads/test_rank.py",
    }


@pytest.mark.timeout(1500)
@pytest.mark.parametrize("folder", ["tests/leads", "tests/loyalty", "tests/chassis", "tests/architecture"])
def test_the_copy_passes(copy, folder):
    done = run(copy, "-m", "pytest", "-q", "-p", "no:cacheprovider", folder)
    assert done.returncode == 0, done.stdout[-4000:]


def test_the_new_rpc_has_its_route_and_its_page(copy):
    assert ":rank" in (copy / "gateway/openapi.json").read_text()
    assert "LeadRanked" in (copy / "docs/events.md").read_text()
    assert "services/loyalty/README.md" in (copy / "README.md").read_text()
