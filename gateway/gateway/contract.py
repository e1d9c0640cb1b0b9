"""The RPCs of all services as `crm.binpb` describes them: the only thing the gateway knows about them."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from crm.options.v1 import options_pb2
from google.api import annotations_pb2, field_behavior_pb2
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.descriptor_pb2 import FileDescriptorProto, FileDescriptorSet, MethodDescriptorProto
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message_factory import GetMessageClass

# Methods that carry many records get the larger limits.
BULK = ("Import", "Batch")


@dataclass(frozen=True)
class Rule:
    """One google.api.http binding; `body` is empty, "*" or the name of a request field."""

    method: str
    template: str
    body: str


@dataclass(frozen=True)
class Rpc:
    """One method. `upstream` is the service's proto name, as in the setting UPSTREAM_<SERVICE>; an `anonymous` one is
    asked without a token, over HTTP alone."""

    name: str
    service: str
    upstream: str
    request: Descriptor
    reply: Descriptor
    rules: tuple[Rule, ...]
    internal: bool
    anonymous: bool
    client_streaming: bool
    server_streaming: bool

    @property
    def path(self) -> str:
        """As on the wire: `/crm.leads.v1.LeadService/GetLead`."""
        return f"/{self.service}/{self.name}"

    @property
    def bulk(self) -> bool:
        return self.name.startswith(BULK)

    @cached_property
    def request_class(self) -> Any:
        return GetMessageClass(self.request)

    @cached_property
    def reply_class(self) -> Any:
        return GetMessageClass(self.reply)


class Contract:
    """All files, types and methods of the image at `path`."""

    def __init__(self, path: Path) -> None:
        self.files = FileDescriptorSet.FromString(path.read_bytes())
        self.pool = DescriptorPool()
        for file in self.files.file:
            self.pool.Add(file)
        self.rpcs = [
            self._rpc(file, service.name, method)
            for file in self.files.file
            for service in file.service
            for method in service.method
        ]

    @property
    def public(self) -> list[Rpc]:
        return [rpc for rpc in self.rpcs if not rpc.internal]

    @property
    def upstreams(self) -> set[str]:
        """The services that answer public methods."""
        return {rpc.upstream for rpc in self.public}

    def _rpc(self, file: FileDescriptorProto, service: str, method: MethodDescriptorProto) -> Rpc:
        return Rpc(
            name=method.name,
            service=f"{file.package}.{service}",
            upstream=file.package.split(".")[1],
            request=self.pool.FindMessageTypeByName(method.input_type.removeprefix(".")),
            reply=self.pool.FindMessageTypeByName(method.output_type.removeprefix(".")),
            rules=tuple(rules(method)),
            internal=method.options.Extensions[options_pb2.internal],
            anonymous=method.options.Extensions[options_pb2.anonymous],
            client_streaming=method.client_streaming,
            server_streaming=method.server_streaming,
        )

    def public_files(self) -> list[FileDescriptorProto]:
        """The files without methods that the gRPC port does not serve, without services that have no other, and without
        comments."""
        hidden = {(rpc.service, rpc.name) for rpc in self.rpcs if rpc.internal or rpc.anonymous}
        files = []
        for original in self.files.file:
            file = FileDescriptorProto()
            file.CopyFrom(original)
            file.ClearField("source_code_info")
            for service in file.service:
                name = f"{file.package}.{service.name}"
                shown = [method for method in service.method if (name, method.name) not in hidden]
                del service.method[:]
                service.method.extend(shown)
            services = [service for service in file.service if service.method]
            del file.service[:]
            file.service.extend(services)
            files.append(file)
        return files


def rules(method: MethodDescriptorProto) -> list[Rule]:
    """The method's google.api.http bindings, the main one first."""
    if not method.options.HasExtension(annotations_pb2.http):
        return []
    main = method.options.Extensions[annotations_pb2.http]
    found = []
    for rule in (main, *main.additional_bindings):
        verb = rule.WhichOneof("pattern")
        if verb == "custom":
            found.append(Rule(rule.custom.kind, rule.custom.path, rule.body))
        else:
            found.append(Rule(verb.upper(), getattr(rule, verb), rule.body))
    return found


def behaviors(field: FieldDescriptor) -> set[str]:
    """The google.api.field_behavior of a field, by name."""
    values = field.GetOptions().Extensions[field_behavior_pb2.field_behavior]
    return {field_behavior_pb2.FieldBehavior.Name(value) for value in values}


def is_output(field: FieldDescriptor) -> bool:
    """True for what the server says and a caller cannot change."""
    return not behaviors(field).isdisjoint({"OUTPUT_ONLY", "IDENTIFIER"})
