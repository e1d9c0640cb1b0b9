"""`crmctl backup` and `crmctl restore` as they are run on given servers."""

import os
import subprocess
import sys
from pathlib import Path

from chassis.settings import SERVICES as ALL
from chassis.settings import variable
from cli.backups.places import SERVICES, Place

WITHOUT = [f"--without={service}" for service in ALL if service not in SERVICES]


def crmctl(place: Place, *arguments: object) -> subprocess.CompletedProcess[str]:
    owners = {f"{variable('DATABASE_URL', one)}_OWNER": url for one, url in place.installation.databases.items()}
    told = {"NATS_URL": place.installation.nats_url, "FILES_URL": place.installation.files_url}
    command = [sys.executable, "-m", "crmctl", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, env=os.environ | owners | told, timeout=100)


async def test_given_servers_are_backed_up_and_restored_by_their_settings(source, place, tmp_path):
    made = crmctl(source, "backup", "--to", tmp_path / "backup", *WITHOUT)
    assert made.returncode == 0, made.stderr
    assert "writers waited" in made.stdout
    checked = crmctl(source, "backup", "verify", tmp_path / "backup")
    assert "whole" in checked.stdout
    target = place("files")
    restored = crmctl(target, "restore", "--from", tmp_path / "backup")
    assert restored.returncode == 0, restored.stderr
    assert await target.subjects("leads") == {"leads/one"}
    assert (tmp_path / "files/ab/document").exists()


def test_a_forgotten_setting_is_no_smaller_backup(source: Place, tmp_path: Path):
    made = crmctl(source, "backup", "--to", tmp_path / "backup")
    assert made.returncode == 1
    assert "DATABASE_URL_DIRECTORY_OWNER is missing" in made.stderr
    assert not (tmp_path / "backup").exists()


def test_a_backup_needs_a_place_and_an_installation(tmp_path: Path):
    nobody = subprocess.run(
        [sys.executable, "-m", "crmctl", "backup", "--to", tmp_path / "backup", "--data-dir", tmp_path / "nothing"],
        capture_output=True, text=True,
    )  # fmt: skip
    assert (nobody.returncode, nobody.stdout) == (1, "")
    assert "There is no suite in" in nobody.stderr
    assert list(tmp_path.iterdir()) == []
