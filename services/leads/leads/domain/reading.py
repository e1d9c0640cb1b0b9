"""Reading what people write: a line about somebody, a form, a chat, an e-mail. Guesses, for a person to look at."""

import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from urllib.parse import parse_qsl, urlsplit

from leads.domain.capture import LONGEST_NOTE, LeadFields

# Bounded, so that no text takes longer than its length.
EMAIL = re.compile(r"[\w.+%'-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63}){0,8}\.[^\W\d_]{2,24}")
PHONE = re.compile(r"(?<![0-9A-Za-z.])(?:\+|00)?\(?\d[\d \u00a0()./-]{5,24}\d(?![0-9A-Za-z])")
DATE = re.compile(r"\d{4}-\d{1,2}-\d{1,2}|\d{1,2}[./-]\d{1,2}[./-](?:19|20)\d{2}")
LEAST_DIGITS, MOST_DIGITS = 7, 15  # of a phone number, ITU-T E.164
BREAKS = re.compile(r"[\n\r\t,;|，；、]+|\s[-–—]\s")
LEGAL = re.compile(
    r"(?:^|\s)(?:ltd|limited|llc|llp|inc|corp|plc|gmbh|ag|kg|ug|s\.?a\.?|s\.?l\.?|ltda|lda|eireli|sarl|srl|bv|nv|oy|ab|as|"
    r"еоод|оод|еад|ад|ет|ооо|зао|ип)\.?$|(?:公司|集团|工厂|商店|酒店|面包店|厂|店|行)$",
    re.IGNORECASE,
)
LINK_TOKEN = re.compile(r"[a-z0-9]{1,63}")
CJK = re.compile(r"[\u3400-\u9fff]")

# What a label or a form's field is called, in five languages, without case, spaces, hyphens and underscores.
CALLED = {
    "display_name": "name fullname yourname contact contactname displayname ansprechpartner nome nomecompleto"
    " име имена имеифамилия 姓名 名字",
    "first": "firstname givenname forename vorname primeironome 名",
    "last": "lastname surname familyname nachname sobrenome apelido фамилия 姓",
    "company": "company companyname organisation organization business firma firmenname unternehmen empresa"
    " фирма компания 公司 公司名称 单位",
    "email": "email emailaddress mail youremail correio имейл емейл елпоща 邮箱 电子邮件 电邮",
    "phone": "phone phonenumber tel telephone telefon mobile mobil cell whatsapp telefone celular"
    " телефон тел моб мобилен 电话 手机 手机号 联系电话",
    "note": "note message comment comments question subject nachricht mensagem anmerkung"
    " съобщение бележка коментар 留言 备注 需求",
    "country": "country countrycode land",
    "language": "language lang locale",
    "product": "product interest",
}
FIELD_CALLED = {word: name for name, words in CALLED.items() for word in words.split()}
LABEL = re.compile(r"^([^\W\d_][\w. -]{0,24}?)\s*[:：]\s*(.*)$")
ALONE = ("phone", "email")  # a word like `tel.` before a number says no more than the number


def quick_entry(text: str) -> LeadFields:
    """Who is meant by a line that somebody typed: what is labelled, what looks like an address or a number, then names
    by the order in which people say them. The rest is the note."""
    found = LeadFields()
    rest = _take_address(text, found)
    loose: list[str] = []
    for part in _parts(rest):
        labelled = LABEL.match(part)
        name = FIELD_CALLED.get(plain(labelled[1])) if labelled else None
        if labelled and name and name in vars(found) and not getattr(found, name):
            setattr(found, name, labelled[2].strip())
        elif FIELD_CALLED.get(plain(part)) not in ALONE:
            loose.append(part)
    _names(loose, found)
    found.note = _joined([found.note, *loose])
    return found


def _take_address(text: str, found: LeadFields) -> str:
    """The first e-mail address and phone number go into `found`; a break stays in their place."""
    if email := EMAIL.search(text):
        found.email = email[0]
        text = f"{text[: email.start()]}\n{text[email.end() :]}"
    if number := phone(text):
        found.phone = number
        text = text.replace(number, "\n", 1)
    return text


def phone(text: str) -> str:
    """The first phone number in a text, as it is written; empty without one."""
    for match in PHONE.finditer(text):
        number = match[0].strip()
        digits = sum(letter.isdigit() for letter in number)
        if LEAST_DIGITS <= digits <= MOST_DIGITS and not DATE.fullmatch(number):
            return number
    return ""


def _parts(text: str) -> list[str]:
    """Pieces between breaks. Chinese is written without spaces: there a space is a break, too."""
    parts = [part.strip(" .。·") for part in BREAKS.split(text)]
    return [piece for part in parts if part for piece in (part.split() if CJK.search(part) else [part])]


def _names(loose: list[str], found: LeadFields) -> None:
    """Takes company and name out of the loose pieces."""
    company = next((part for part in loose if LEGAL.search(part)), "")
    if company and not found.company:
        loose.remove(company)
        found.company = company
    for field in ("display_name", "company"):
        name = next((part for part in loose[:2] if _is_name(part)), "")
        if name and not getattr(found, field):
            loose.remove(name)
            setattr(found, field, name)


def _is_name(part: str) -> bool:
    words = part.split()
    if not 1 <= len(words) <= 4 or any(letter.isdigit() or letter in ":：" for letter in part):
        return False
    if CJK.search(part):
        return len(part) <= 4
    return all(word[0].isupper() or word.lower() in ("de", "da", "do", "dos", "von", "van", "der") for word in words)


def plain(word: str) -> str:
    """A label as it is looked up."""
    return re.sub(r"[\s_.*:：-]+", "", unicodedata.normalize("NFC", word)).casefold()


def web_form(values: Mapping[str, str]) -> LeadFields:
    """Who filled in a form. Fields of unknown names go to the note with their names."""
    found, names, rest = LeadFields(), {"first": "", "last": ""}, []
    for key, value in values.items():
        text, name = value.strip(), FIELD_CALLED.get(plain(key.rpartition("[")[2].rstrip("]") or key))
        if not text:
            continue
        if name in names:
            names[name] = text
        elif name == "note" or name is None or getattr(found, name):
            rest.append(text if name == "note" else f"{key}: {text}")
        else:
            setattr(found, name, text)
    found.display_name = found.display_name or _full_name(names["first"], names["last"])
    found.note = _joined(rest, "\n")
    return found


def _full_name(first: str, last: str) -> str:
    return f"{last}{first}" if CJK.search(first + last) else f"{first} {last}".strip()


def chat(lines: Sequence[tuple[bool, str]]) -> LeadFields:
    """(Whether the visitor said it, what) → who they are: their last number and address. All of it is the note."""
    found = LeadFields()
    for by_visitor, text in lines:
        if by_visitor:
            found.phone = phone(text) or found.phone
            if email := EMAIL.search(text):
                found.email = email[0]
    found.note = _joined((f"{'>' if by_visitor else '<'} {text.strip()}" for by_visitor, text in lines), "\n")
    return found


def campaign(url: str) -> dict[str, str]:
    """What a page's address says of campaigns: utm_source → source, and the click ids of advertisers."""
    try:
        query = parse_qsl(urlsplit(url).query, max_num_fields=200)
    except ValueError:
        return {}
    known = {"gclid", "gbraid", "wbraid", "fbclid", "msclkid", "ttclid", "yclid", "bd_vid"}
    found: dict[str, str] = {}
    for key, value in query:
        name = key.lower().removeprefix("utm_")
        if (name != key.lower() or name in known) and value and name:
            found.setdefault(name[:63], value[:255])
    return dict(list(found.items())[:20])


def material_link(text: str) -> str:
    """The name of a link to a material, of its name or its token."""
    token = text.removeprefix("materialLinks/")
    return f"materialLinks/{token}" if token else ""


def material_link_of(url: str) -> str:
    """By which link to a material somebody came to a page, as its address says; empty if by none."""
    try:
        query = parse_qsl(urlsplit(url).query, max_num_fields=200)
    except ValueError:
        return ""
    told = [value for key, value in query if key == "material_link" and LINK_TOKEN.fullmatch(value)]
    return material_link(told[0]) if told else ""


def _joined(parts: Iterable[str], between: str = ", ") -> str:
    return between.join(part for part in parts if part)[:LONGEST_NOTE]
