"""A bulk edit of leads through the public API: previewed, changed, changed back."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from rich.console import Console

from crmctl.lead_files.columns import FIELDS, LABEL, OWN, OWN_READERS
from crmctl.operations import followed
from crmctl.problem import Problem
from crmctl.suite import Suite

SHOWN = 5  # leads of a preview
MOST_LEFT = 20  # leads of an undo


@dataclass(frozen=True)
class Change:
    """What is set, by the paths of the API, and which paths are set or cleared."""

    values: Mapping[str, str]
    paths: tuple[str, ...]

    @classmethod
    def read(cls, sets: Iterable[str], clears: Iterable[str]) -> "Change":
        """Raises Problem for what is no change."""
        values: dict[str, str] = {}
        for given in sets:
            name, found, value = given.partition("=")
            if not found or not name.strip() or not value:
                raise Problem(f"--set {given!r} is not FIELD=VALUE; to empty a field, --clear it.")
            values[_path(name.strip())] = value
        paths = [*values, *(_path(name.strip()) for name in clears)]
        if not paths:
            raise Problem("Say what to change: --set FIELD=VALUE or --clear FIELD.")
        if doubled := [path for path in paths if paths.count(path) > 1]:
            raise Problem(f"{doubled[0]} is named twice.")
        return cls(values, tuple(paths))

    def lead(self, own: Mapping[str, str]) -> dict[str, Any]:
        """The values as the API takes them; `own` the company's own fields: slug → type."""
        lead: dict[str, Any] = {}
        for path, text in self.values.items():
            field, _, key = path.partition(".")
            try:
                if field == "labels":
                    lead.setdefault("labels", {})[key] = text
                elif field == "custom":
                    lead.setdefault("custom", {})[key] = OWN_READERS.get(own.get(key, ""), str)(text)
                else:
                    lead[_camel(field)] = FIELDS[field](text)
            except ValueError as wrong:
                raise Problem(f"--set {path}: {wrong}.") from None
        return lead


async def preview(
    suite: Suite, asked: Mapping[str, Any], change: Change, console: Console
) -> tuple[dict[str, Any], str]:
    """The edit once its preview is whole, and what it says in words."""
    own: dict[str, str] = {}
    if any(path.startswith("custom.") for path in change.values):
        fields = await suite.all("/v1/customFields", "customFields", filter="resource = LEAD")
        own = {field["slug"]: field["type"] for field in fields}
    body = {**asked, "lead": change.lead(own), "fields": list(change.paths)}
    made = await suite.post("/v1/leadBulkEdits", body, once=False)
    await _ended(suite, made["previewOperation"], console)
    seen = await suite.get(f"/v1/{made['name']}")
    items = await suite.get(f"/v1/{made['name']}/items", outcome="CHANGING", pageSize=SHOWN)
    return seen, "\n".join([_counts(seen), *(_difference(item) for item in items["items"])])


async def changed(suite: Suite, seen: Mapping[str, Any], console: Console) -> dict[str, Any]:
    """The edit after its change, bound to what was seen."""
    begun = await suite.post(f"/v1/{seen['name']}:start", {"etag": seen["etag"]}, once=False)
    await _ended(suite, begun["operation"], console)
    return await suite.get(f"/v1/{seen['name']}")


async def taken_back(suite: Suite, name: str, console: Console) -> tuple[dict[str, Any], str]:
    """The edit after its undo, and the leads that were left, each with what."""
    begun = await suite.post(f"/v1/{name}:undo", {}, once=False)
    await _ended(suite, begun["undoOperation"], console)
    left = [f"{one['lead']}: {one['reason']}" for one in await _items(suite, name, "LEFT")]
    for one in await _items(suite, name, "UNDONE"):
        if one["leftFields"]:
            left.append(f"{one['lead']}: {', '.join(one['leftFields'])} changed since")
    more = [f"and {len(left) - MOST_LEFT:,} more, see /v1/{name}/items"] if len(left) > MOST_LEFT else []
    return await suite.get(f"/v1/{name}"), "\n".join([*left[:MOST_LEFT], *more])


async def _items(suite: Suite, name: str, outcome: str) -> list[dict[str, Any]]:
    return await suite.all(f"/v1/{name}/items", "items", outcome=outcome)


async def _ended(suite: Suite, operation: str, console: Console) -> None:
    found = await followed(suite, operation, console)
    if found["state"] != "SUCCEEDED":
        why = f": {found['errorMessage']}" if found["errorMessage"] else ""
        raise Problem(f"The work was {found['state'].lower()} before its end{why}")


def _counts(seen: Mapping[str, Any]) -> str:
    why = ", ".join(f"{one['leads']:,} {one['reason']}" for one in seen["refusals"])
    refused = f"{seen['refused']:,} refused" + (f" ({why})" if why else "")
    kept = f"{seen['unchanged']:,} say so already"
    return f"{seen['selected']:,} leads: {seen['changing']:,} would change, {kept}, {refused}"


def _difference(item: Mapping[str, Any]) -> str:
    before, after = item.get("before", {}), item.get("after", {})
    said = (f"{path}: {before.get(path, '')!r} → {after.get(path, '')!r}" for path in {**before, **after})
    return f"  {item['lead']}  {'; '.join(said)}"


def _path(name: str) -> str:
    """`label:KEY` as the API calls it."""
    if label := LABEL.fullmatch(name):
        return f"labels.{label[1]}"
    if name not in FIELDS and not OWN.fullmatch(name):
        raise Problem(f"{name!r} is no field of a lead that can be set; labels are label:KEY, own fields custom.SLUG.")
    return name


def _camel(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(map(str.title, rest))
