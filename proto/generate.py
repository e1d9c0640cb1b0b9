"""Builds proto/gen: the Python modules and crm.binpb (all descriptors with their comments).

Third-party protos come out of installed packages: google/* are files in googleapis-common-protos;
buf/validate is a descriptor inside the protovalidate wheel, handed to protoc as a descriptor set.
"""

import hashlib
import importlib.metadata
import shutil
import sys
import tempfile
from pathlib import Path

from google.protobuf import descriptor_pb2
from grpc_tools import protoc
from protovalidate._gen.buf.validate import validate_pb

ROOT = Path(__file__).resolve().parent
GEN = ROOT / "gen"


def stamp() -> str:
    """A digest of everything the output depends on, so that an unchanged tree is not built again."""
    digest = hashlib.sha256()
    for path in [Path(__file__), *sorted(ROOT.glob("crm/**/*.proto"))]:
        digest.update(str(path.relative_to(ROOT)).encode() + b"\0" + path.read_bytes())
    for package in ("grpcio-tools", "googleapis-common-protos", "protovalidate", "protobuf"):
        digest.update(importlib.metadata.version(package).encode())
    return digest.hexdigest()


def validate_descriptors() -> bytes:
    """buf/validate/validate.proto with its imports, as a serialized FileDescriptorSet."""
    from google.protobuf import duration_pb2, field_mask_pb2, timestamp_pb2

    files = descriptor_pb2.FileDescriptorSet()
    for module in (descriptor_pb2, duration_pb2, field_mask_pb2, timestamp_pb2):
        files.file.append(descriptor_pb2.FileDescriptorProto.FromString(module.DESCRIPTOR.serialized_pb))
    files.file.append(descriptor_pb2.FileDescriptorProto.FromString(validate_pb.desc().proto.to_binary()))
    return files.SerializeToString()


def generate(out: Path) -> None:
    """Writes modules, stubs and the image below `out`."""
    google = Path(importlib.metadata.distribution("googleapis-common-protos").locate_file(""))
    ours = [str(path.relative_to(ROOT)) for path in sorted(ROOT.glob("crm/**/*.proto"))]
    with tempfile.TemporaryDirectory() as scratch:
        validate = Path(scratch) / "validate.binpb"
        validate.write_bytes(validate_descriptors())
        # protoc reads either files or a descriptor set, so everything third-party goes through one set.
        base = Path(scratch) / "base.binpb"
        third = ["google/api/annotations.proto", "google/api/field_behavior.proto", "google/api/httpbody.proto"]
        third += [
            "google/type/money.proto",
            "google/type/date.proto",
            "google/type/dayofweek.proto",
            "google/protobuf/field_mask.proto",
            "google/protobuf/struct.proto",
        ]
        third += ["google/rpc/status.proto", "google/rpc/error_details.proto"]
        run("-I", str(google), "-I", well_known(), "--include_imports", f"--descriptor_set_out={base}", *third)
        merge(base, validate)
        run(
            f"--descriptor_set_in={base}", "-I", str(ROOT), f"--python_out={out}", f"--pyi_out={out}",
            f"--grpc_python_out={out}", *ours, "buf/validate/validate.proto",
        )  # fmt: skip
        run(
            f"--descriptor_set_in={base}", "-I", str(ROOT), "--include_imports", "--include_source_info",
            f"--descriptor_set_out={out / 'crm.binpb'}", *ours,
        )  # fmt: skip


def merge(base: Path, more: Path) -> None:
    """Adds the files of the set `more` to the set `base`, each once."""
    files = descriptor_pb2.FileDescriptorSet.FromString(base.read_bytes())
    known = {file.name for file in files.file}
    files.file.extend(
        file for file in descriptor_pb2.FileDescriptorSet.FromString(more.read_bytes()).file if file.name not in known
    )
    base.write_bytes(files.SerializeToString())


def well_known() -> str:
    import grpc_tools

    return str(Path(grpc_tools.__file__).parent / "_proto")


def run(*arguments: str) -> None:
    if protoc.main(["protoc", *arguments]) != 0:
        sys.exit("proto/generate.py: protoc failed, see above")


def main() -> None:
    mark = GEN / ".stamp"
    wanted = stamp()
    if mark.exists() and mark.read_text() == wanted:
        return
    shutil.rmtree(GEN, ignore_errors=True)
    GEN.mkdir(parents=True)
    generate(GEN)
    mark.write_text(wanted)


if __name__ == "__main__":
    main()
