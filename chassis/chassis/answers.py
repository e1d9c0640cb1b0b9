"""What a handler returned, as the answer of its method."""

from collections.abc import Sequence
from typing import Any

from crm.options.v1 import options_pb2
from google.protobuf.descriptor import Descriptor
from google.protobuf.message import Message

from chassis import convert, json_pages
from chassis.lists import Page


def serialised(answer: Message | bytes) -> bytes:
    return answer if isinstance(answer, bytes) else answer.SerializeToString()


def told_once(answer: Descriptor) -> tuple[str, ...]:
    """The fields of an answer that are secrets: told to whoever asked first, and kept nowhere."""
    return tuple(item.name for item in answer.fields if item.GetOptions().Extensions[options_pb2.told_once])


def kept(answer: Message | bytes, secrets: Sequence[str]) -> bytes:
    """An answer as it is kept, for the same call if it comes again."""
    if secrets and isinstance(answer, Message):
        told, answer = answer, type(answer)()
        answer.CopyFrom(told)
        for name in secrets:
            answer.ClearField(name)
    return serialised(answer)


def as_text_page(page: Page[Any], kind: type[Message]) -> bytes | None:
    """A page as the text that goes out; None if that cannot spell it."""
    write = json_pages.writer(page.mapper, kind.DESCRIPTOR)
    return write(page.rows, page.next_page_token) if write else None


def as_message(result: Any, kind: type[Message]) -> Message:
    """A record, a page or a message as a message of `kind`."""
    if isinstance(result, Message):
        return result
    if isinstance(result, Page):
        answer: Any = kind(next_page_token=result.next_page_token)
        repeated = next(item for item in kind.DESCRIPTOR.fields if item.is_repeated)
        one = convert.message_class(repeated.message_type)
        getattr(answer, repeated.name).extend(convert.to_message(record, one) for record in result.records)
        return answer
    return convert.to_message(result, kind)
