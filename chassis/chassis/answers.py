"""What a handler returned, as the answer of its method."""

from typing import Any

from google.protobuf.message import Message

from chassis import convert, json_pages
from chassis.lists import Page


def serialised(answer: Message | bytes) -> bytes:
    return answer if isinstance(answer, bytes) else answer.SerializeToString()


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
