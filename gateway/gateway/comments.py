"""The comments of the protos, by the full name of what they describe."""

from google.protobuf.descriptor_pb2 import FileDescriptorProto, FileDescriptorSet

# Field numbers in descriptor.proto: what a path of a comment's location is made of.
CHILDREN = {
    "file": {4: ("message_type", "message"), 5: ("enum_type", "enum"), 6: ("service", "service")},
    "message": {2: ("field", "leaf"), 3: ("nested_type", "message"), 4: ("enum_type", "enum")},
    "enum": {2: ("value", "leaf")},
    "service": {2: ("method", "leaf")},
}


def comments(files: FileDescriptorSet) -> dict[str, str]:
    """Leading comments, lines joined; `crm.leads.v1.Lead.State.NEW` is an enum's value."""
    found: dict[str, str] = {}
    for file in files.file:
        for location in file.source_code_info.location:
            text = location.leading_comments or location.trailing_comments
            name = named(file, list(location.path)) if text else None
            if name:
                found[name] = " ".join(text.split())
    return found


def named(file: FileDescriptorProto, path: list[int]) -> str | None:
    """The full name of what a location's path leads to; None for options, keywords and the like."""
    if not path or len(path) % 2:
        return None
    kind, element, names = "file", file, [file.package]
    for number, index in zip(path[::2], path[1::2], strict=True):
        child = CHILDREN.get(kind, {}).get(number)
        if child is None:
            return None
        attribute, kind = child
        element = getattr(element, attribute)[index]
        names.append(element.name)
    return ".".join(names)
