"""Which rows may hold something of a person: those that name one of the person's ties.

An id that is a UUID is unmistakable and is looked for in everything a row says. One that is a slug, `users/ana`, also
stands wherever she did or owns something, which may be a million rows: only rows about it are looked at.
"""

from sqlalchemy import LargeBinary, Table

from chassis import spine
from chassis.persons import Person, is_name
from chassis.values import id_of, is_uuid


def tie(name: str) -> str:
    """A record as a tie: its id if that is unmistakable, else its name."""
    return id_of(name) if is_uuid(id_of(name)) else name


class Ties:
    """A person's ties as arguments of a query."""

    def __init__(self, person: Person) -> None:
        found = {tie(one) for one in (*person.ties, *person.records)}
        self.arguments = [
            "|".join(sorted(one for one in found if is_uuid(one))),
            "|".join(sorted(one for one in found if is_name(one))),
        ]

    def __bool__(self) -> bool:
        return any(self.arguments)


def named_in(table: Table) -> str:
    """SQL: whether a row names a tie; `Ties.arguments` are $1 and $2."""
    slugs, says = "string_to_array($2::text, '|')", haystack(table)
    if table is spine.request:  # a kept answer does not say what it is about
        about = f"$2::text <> '' AND {says} ~ $2::text"
    elif table.metadata is spine.SPINE and "subject" in table.columns:
        about = f"subject = any({slugs})"
    elif collection := table.info.get("collection"):
        about = f"'{collection}/' || id::text = any({slugs})"
    else:
        about = "$2::text IS NULL"
    return f"($1::text <> '' AND {says} ~ $1::text OR {about})"


def haystack(table: Table) -> str:
    """SQL: everything a row says, as one text. Bytes keep their ASCII, so that ids in them are found."""
    parts = [
        f"encode(\"{column.name}\", 'escape')" if isinstance(column.type, LargeBinary) else f'"{column.name}"::text'
        for column in table.columns
    ]
    return f"concat_ws(' ', {', '.join(parts)})"
