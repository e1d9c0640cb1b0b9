"""Filters by labels: `labels:vip` (it has a label of that name), `labels.size = large`, `labels.size != large`.

They are looked up in `label`, never in the records. A record without the label meets no condition about it, `!=`
included.
"""

import unicodedata
from typing import TYPE_CHECKING

from chassis.errors import InvalidFields
from chassis.records import Bind

if TYPE_CHECKING:
    from chassis.filtering import Condition

LABELS = "labels"
PREFIX = "labels."
SIGNS = {"=": "=", ":": "=", "!=": "<>"}


def is_asked(condition: "Condition") -> bool:
    return condition.field == LABELS or condition.field.startswith(PREFIX)


def to_sql(condition: "Condition", collection: str, bind: Bind) -> str:
    """The condition as SQL on a table whose labels are kept, see `columns.keep_labels`."""
    if condition.field == LABELS:
        if condition.operator != ":":
            raise _wrong('labels are asked by name, labels:"vip", or by what they say, labels.size = "large"')
        name, said = condition.value, []
    else:
        name = condition.field.removeprefix(PREFIX)
        if condition.operator not in SIGNS:
            raise _wrong(f"{condition.field} is a text; ask with {' '.join(SIGNS)}")
        said = [f"text {SIGNS[condition.operator]} {bind(_spelled(condition.value), 'text')}"]
    if not name:
        raise _wrong("a label has a name")
    tests = [f"collection = '{collection}'", f"label = {bind(_spelled(name), 'text')}", *said]
    return f"id IN (SELECT record_id FROM label WHERE {' AND '.join(tests)})"


def _spelled(text: str) -> str:
    return unicodedata.normalize("NFC", text)


def _wrong(said: str) -> InvalidFields:
    return InvalidFields(("filter", said))
