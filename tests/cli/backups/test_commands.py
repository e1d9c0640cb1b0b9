"""`crmctl backup` and `crmctl restore` as they are run on given servers."""

import os
import subprocess
import sys
from pathlib import Path

from chassis.migrate import migrate
from chassis.settings import variable
from cli.backups.places import SERVICES, Place


def crmctl(place: Place, *arguments: object, **settings: str) -> subprocess.CompletedProcess[str]:
    owners = {f"{variable('DATABASE_URL', one)}_OWNER": url for one, url in place.installation.databases.items()}
    told = {"NATS_URL": place.installation.nats_url, "FILES_URL": place.installation.files_url}
    command = [sys.executable, "-m", "crmctl", *map(str, arguments)]
    return subprocess.run(
        command, capture_output=True, text=True, env=os.environ | owners | told | settings, timeout=100
    )


async def test_given_servers_are_backed_up_and_restored_by_their_settings(servers, source, place, tmp_path):
    first, second = (servers.create_database("directory") for _ in range(2))
    await migrate("directory", first.owner_url)
    some = {"SERVICES": ",".join(("directory", *SERVICES)), "DATABASE_URL_DIRECTORY_OWNER": first.owner_url}
    made = crmctl(source, "backup", "--to", tmp_path / "backup", **some)
    assert made.returncode == 0, made.stderr
    assert "writers waited" in made.stdout
    checked = crmctl(source, "backup", "verify", tmp_path / "backup")
    assert "whole" in checked.stdout
    target = place("files")
    restored = crmctl(target, "restore", "--from", tmp_path / "backup", DATABASE_URL_DIRECTORY_OWNER=second.owner_url)
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
