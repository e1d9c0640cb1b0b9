"""Reading an e-mail (RFC 5322): who wrote it, what about, and which one it answers."""

import re
from dataclasses import dataclass, field
from email import message_from_bytes
from email.header import decode_header
from email.message import Message
from email.utils import getaddresses

from leads.domain.capture import LONGEST_NOTE, LeadFields
from leads.domain.reading import phone

MESSAGE_ID = re.compile(r"<[^<>\s]{1,990}>")
QUOTED = re.compile(r"^(>|On .{4,100} wrote:$|-{2,}\s*Original Message)", re.IGNORECASE)
MACHINES = re.compile(r"^(mailer-daemon|postmaster|no-?reply|do-?not-?reply|bounces?)\b", re.IGNORECASE)
UNSEEN = ("script", "style", "head")  # elements of a page whose text nobody reads
MOST_REFERENCES, LONGEST_ID = 50, 255
# Whoever can send us an e-mail chooses its length: what is behind these many characters is not read.
LONGEST_HEADER, LONGEST_TEXT = 4_000, 100_000


@dataclass(kw_only=True)
class Mail:
    """An e-mail as far as it concerns a lead. `answers`: Message-IDs of those before it, the nearest first. `why_not`:
    why no person wrote it, with the field's path; empty if one did."""

    fields: LeadFields
    message_id: str = ""
    answers: list[str] = field(default_factory=list)
    text: str = ""
    why_not: str = ""


def read(raw: bytes) -> Mail:
    """Reads whatever bytes come; what is not there is empty."""
    try:
        return _read(message_from_bytes(raw))
    except RecursionError:  # parts or comments within each other, hundreds deep: no person wrote that
        return Mail(fields=LeadFields(), why_not="email: cannot be read")


def _read(message: Message) -> Mail:
    name, address = _sender(message)
    text = _text(message)
    fresh = _without_quotes(text)
    fields = LeadFields(display_name=name, email=address, phone=phone(fresh))
    fields.note = "\n\n".join(part for part in (_header(message, "Subject"), fresh) if part)[:LONGEST_NOTE]
    references = MESSAGE_ID.findall(_header(message, "References"))[-MOST_REFERENCES:]
    answers = [*MESSAGE_ID.findall(_header(message, "In-Reply-To"))[:1], *reversed(references)]
    own = MESSAGE_ID.search(_header(message, "Message-ID"))
    return Mail(
        fields=fields,
        message_id=_id(own[0]) if own else "",
        answers=list(dict.fromkeys(map(_id, answers))),
        text=text,
        why_not=_why_not(message, address),
    )


def _id(found: str) -> str:
    """A Message-ID, of a length that an index takes."""
    return found.encode("ascii", "replace").decode()[:LONGEST_ID]


def _header(message: Message, name: str) -> str:
    """A header as text."""
    return _decoded(_raw(message, name))


def _raw(message: Message, name: str) -> str:
    """A header as it stands, the end of a long one left out."""
    raw = next((str(value) for key, value in message.raw_items() if key.lower() == name.lower()), "")
    return raw[:LONGEST_HEADER]


def _decoded(raw: str) -> str:
    """RFC 2047; bytes that are in no known character set as far as they can be read."""
    try:
        parts = decode_header(raw)
    except ValueError:  # what claims to be encoded and is not
        parts = [(raw, None)]
    text = "".join(_characters(part, charset) for part, charset in parts)
    return " ".join(text.replace("\0", "").split())


def _characters(part: bytes | str, charset: str | None) -> str:
    if isinstance(part, str):
        part = part.encode("utf-8", "surrogateescape")
    try:
        return part.decode(charset or "utf-8", "replace")
    except (LookupError, ValueError):
        return part.decode("utf-8", "replace")


def _sender(message: Message) -> tuple[str, str]:
    """Whoever is to be answered: Reply-To, else From."""
    said = [_raw(message, "Reply-To"), _raw(message, "From")]
    found = [pair for one in said for pair in getaddresses([one]) if "@" in pair[1]]
    pairs = [(_decoded(name), _decoded(address)) for name, address in found]
    if not pairs:
        return "", ""
    name = next((name for name, address in pairs if name and address == pairs[0][1]), pairs[0][0])
    return name[:200], pairs[0][1][:254]


def _text(message: Message) -> str:
    """The first plain text that is no attachment, else the first HTML without its tags."""
    texts = [part for part in message.walk() if part.get_content_maintype() == "text" and not _attached(part)]
    part = next((one for one in texts if one.get_content_subtype() == "plain"), texts[0] if texts else None)
    if part is None:
        return ""
    payload = part.get_payload(decode=True)
    text = _characters(payload if isinstance(payload, bytes) else b"", part.get_content_charset())[:LONGEST_TEXT]
    if part.get_content_subtype() == "html":
        text = _without_tags(text)
    return text.replace("\0", "").replace("\r\n", "\n").strip()


def _attached(part: Message) -> bool:
    return _header(part, "Content-Disposition").lower().startswith("attachment")


def _without_tags(html: str) -> str:
    """The text between the tags, in one pass."""
    first, *rest = html.split("<")
    found, unseen = [first], ""
    for piece in rest:
        tag, _, text = piece.partition(">")
        words = tag.lower().split()
        name = words[0] if words else ""
        if unseen:
            unseen = "" if name == f"/{unseen}" else unseen
        elif name in UNSEEN:
            unseen = name
        if not unseen:
            found.append(text)
    return " ".join(found)


def _without_quotes(text: str) -> str:
    """What is new: up to the first line that quotes."""
    lines = text.split("\n")
    end = next((number for number, line in enumerate(lines) if QUOTED.match(line.strip())), len(lines))
    return "\n".join(lines[:end]).strip()


def _why_not(message: Message, address: str) -> str:
    """RFC 3834: what a machine sends on its own is answered by nobody."""
    if not address:
        return "email: has no sender"
    automatic = _header(message, "Auto-Submitted").lower()
    if (automatic and automatic != "no") or _header(message, "Precedence").lower() in ("bulk", "junk", "list"):
        return "email: was sent by a machine"
    return "email: was sent by a machine" if MACHINES.match(address) else ""
