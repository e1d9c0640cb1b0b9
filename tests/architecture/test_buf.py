"""The checks of the contract can fail: on a broken copy they do."""

import subprocess
import sysconfig
from pathlib import Path

import pytest
from google.protobuf.descriptor_pb2 import FieldDescriptorProto, FileDescriptorSet
from tree import IMAGE, ROOT, image

BUF = Path(sysconfig.get_path("scripts")) / "buf"
CONFIG = ROOT / "buf.yaml"
BASELINE = ROOT / "proto" / "baseline.binpb"


def buf(*arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run([BUF, *map(str, arguments)], capture_output=True, text=True, check=False)


def lint(path: Path) -> subprocess.CompletedProcess[str]:
    return buf("lint", path, "--config", CONFIG)


def breaking(path: Path, against: Path) -> subprocess.CompletedProcess[str]:
    return buf("breaking", path, "--against", against, "--config", CONFIG)


@pytest.fixture
def copy() -> FileDescriptorSet:
    return FileDescriptorSet.FromString(image().SerializeToString())


def file(files: FileDescriptorSet, name: str):
    return next(entry for entry in files.file if entry.name == name)


def written(files: FileDescriptorSet, folder: Path) -> Path:
    path = folder / "broken.binpb"
    path.write_bytes(files.SerializeToString())
    return path


def test_the_contract_is_clean():
    found = lint(IMAGE)
    assert found.returncode == 0, found.stdout + found.stderr


def test_the_contract_breaks_nobody():
    found = breaking(IMAGE, BASELINE)
    assert found.returncode == 0, found.stdout + found.stderr


def test_a_field_in_camel_case_is_found(copy, tmp_path):
    file(copy, "crm/leads/v1/leads.proto").message_type[0].field[2].name = "displayName"
    found = lint(written(copy, tmp_path))
    assert found.returncode != 0
    assert "displayName" in found.stdout


def test_a_message_without_a_comment_is_found(copy, tmp_path):
    leads = file(copy, "crm/leads/v1/leads.proto")
    for place in leads.source_code_info.location:
        if list(place.path) == [4, 0]:
            place.ClearField("leading_comments")
    found = lint(written(copy, tmp_path))
    assert found.returncode != 0
    assert "comment" in found.stdout.lower()


def test_a_removed_field_is_found(copy, tmp_path):
    del file(copy, "crm/leads/v1/leads.proto").message_type[0].field[2]
    found = breaking(written(copy, tmp_path), IMAGE)
    assert found.returncode != 0
    assert "display_name" in found.stdout


def test_a_field_of_another_type_is_found(copy, tmp_path):
    file(copy, "crm/leads/v1/leads.proto").message_type[0].field[2].type = FieldDescriptorProto.TYPE_INT64
    assert breaking(written(copy, tmp_path), IMAGE).returncode != 0


def test_a_new_field_at_the_end_breaks_nobody(copy, tmp_path):
    lead = file(copy, "crm/leads/v1/leads.proto").message_type[0]
    lead.field.add(name="nickname", json_name="nickname", number=80, type=FieldDescriptorProto.TYPE_STRING, label=1)
    found = breaking(written(copy, tmp_path), IMAGE)
    assert found.returncode == 0, found.stdout
