"""Makes a new service in the shape all have: `make new-service NAME=loyalty`.

It answers Create, Get, List and Update of one record and emits two events; rename and grow from there.
"""

import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

PROTO = """// {Title}: say here, in a line, what this service is for.
syntax = "proto3";

package crm.{pkg}.v1;

import "buf/validate/validate.proto";
import "crm/options/v1/options.proto";
import "google/api/annotations.proto";
import "google/api/field_behavior.proto";
import "google/protobuf/timestamp.proto";

// Keeps {plural}.
service {Title}Service {{
  // Records one.
  rpc Create{One}(Create{One}Request) returns ({One}) {{
    option (google.api.http) = {{
      post: "/v1/{plural}"
      body: "{one}"
    }};
    option (crm.options.v1.permission) = "{pkg}.write";
  }}
  // Reads one. NOT_FOUND if there is none.
  rpc Get{One}(Get{One}Request) returns ({One}) {{
    option (google.api.http) = {{get: "/v1/{{name={plural}/*}}"}};
    option (crm.options.v1.permission) = "{pkg}.read";
  }}
  // Lists them, newest first.
  rpc List{One}s(List{One}sRequest) returns (List{One}sResponse) {{
    option (google.api.http) = {{get: "/v1/{plural}"}};
    option (crm.options.v1.permission) = "{pkg}.read";
  }}
}}

// What this service keeps.
message {One} {{
  // The resource name, `{plural}/{{uuid}}`.
  string name = 1 [(google.api.field_behavior) = IDENTIFIER];
  // Changes with every change; send it back to update safely.
  string etag = 2 [(buf.validate.field).string.max_len = 64];
  // Its name as people read it.
  string display_name = 3 [
    (google.api.field_behavior) = REQUIRED,
    (buf.validate.field).string.min_len = 1,
    (buf.validate.field).string.max_len = 200
  ];
  // When it was recorded here.
  google.protobuf.Timestamp create_time = 7 [(google.api.field_behavior) = OUTPUT_ONLY];
  // When it last changed.
  google.protobuf.Timestamp update_time = 8 [(google.api.field_behavior) = OUTPUT_ONLY];
}}

// Asks to record one.
message Create{One}Request {{
  // What to record; output fields are ignored.
  {One} {one} = 1 [(google.api.field_behavior) = REQUIRED, (buf.validate.field).required = true];
  // Makes a repeated call safe.
  string request_id = 2 [(buf.validate.field).string.uuid = true, (buf.validate.field).ignore = IGNORE_IF_ZERO_VALUE];
}}

// Asks for one.
message Get{One}Request {{
  // The name.
  string name = 1 [(google.api.field_behavior) = REQUIRED, (buf.validate.field).string.pattern = "^{plural}/[^/]+$"];
}}

// Asks for a page.
message List{One}sRequest {{
  // How many at most; 0 means 50, over 1,000 is read as 1,000.
  int32 page_size = 1 [(buf.validate.field).int32.gte = 0];
  // `next_page_token` of the page before.
  string page_token = 2 [(buf.validate.field).string.max_len = 1000];
  // Conditions joined by AND; no field can be asked for yet.
  string filter = 3 [(buf.validate.field).string.max_len = 2000];
}}

// A page.
message List{One}sResponse {{
  // The records, newest first.
  repeated {One} {plural} = 1;
  // Asks for the next page; empty on the last.
  string next_page_token = 2;
}}
"""

EVENTS = """// What happened to {plural}.
syntax = "proto3";

package crm.{pkg}.v1;

import "crm/{pkg}/v1/{pkg}.proto";
import "google/protobuf/timestamp.proto";

// One was recorded.
message {One}Created {{
  // As it then stood.
  {One} {one} = 1;
  // When.
  google.protobuf.Timestamp event_time = 2;
}}
"""

FILES = {
    "README.md": """# {name}

What it is for, in a sentence.

- **Owns** {plural}.
- **Answers** `Create{One}`, `Get{One}`, `List{One}s`.
- **Emits** `{One}Created`.
- **Reacts to** directory's events (members).
- **Settings** those every service has.
""",
    "{pkg}/__init__.py": "",
    "{pkg}/__main__.py": '''"""The {name} process."""

from chassis.service import Service, run
from {pkg} import tables
from {pkg}.rpc import {Title}Service

SERVICE = Service(name="{name}", rpcs=[{Title}Service()], tables=tables.RECORDS)

if __name__ == "__main__":
    run(SERVICE)
''',
    "{pkg}/domain.py": '''"""The rules of {name}, nothing else."""

from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar

from chassis.values import Record


@dataclass(kw_only=True)
class {One}(Record):
    collection: ClassVar[str] = "{plural}"

    display_name: str


@dataclass(frozen=True, kw_only=True)
class {One}Created:
    {one}: {One}
    event_time: datetime
''',
    "{pkg}/tables.py": '''"""What {name} stores, and the queries that have a name."""

from sqlalchemy import Column, MetaData, Table, Text

from chassis.database import record_columns
from {pkg}.domain import {One}

METADATA = MetaData()

{plural} = Table(
    "{plural}",
    METADATA,
    *record_columns(),
    Column("display_name", Text, nullable=False),
    info={{"collection": "{plural}"}},
)

RECORDS = {{{One}: {plural}}}
''',
    "{pkg}/rpc.py": '''"""The calls {name} answers, one method each."""

from crm.{pkg}.v1 import {pkg}_pb2

from chassis.convert import from_message
from chassis.work import Page, Work
from {pkg}.domain import {One}, {One}Created


class {Title}Service:
    descriptor = {pkg}_pb2.DESCRIPTOR.services_by_name["{Title}Service"]

    async def Create{One}(self, request: {pkg}_pb2.Create{One}Request, work: Work) -> {One}:
        {one} = work.add(from_message(request.{one}, {One}))
        work.emit({One}Created({one}={one}, event_time=work.now))
        return {one}

    async def Get{One}(self, request: {pkg}_pb2.Get{One}Request, work: Work) -> {One}:
        return await work.get({One}, request.name)

    async def List{One}s(self, request: {pkg}_pb2.List{One}sRequest, work: Work) -> Page[{One}]:
        return await work.page({One}, request)
''',
    "{pkg}/reactions.py": '''"""What {name} does when others speak: so far only keep its members."""
''',
    "migrations/0001_{pkg}.py": '''"""{Title}."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    op.create_table(
        "{plural}",
        sa.Column("id", sa.UUID(as_uuid=False), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("create_time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("update_time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("display_name", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
''',
}

TEST = '''"""{Title} over gRPC on a real database."""

import pytest
from crm.{pkg}.v1 import {pkg}_pb2
from harness import start


@pytest.fixture(scope="module")
async def {pkg}(backend, issuer):
    running = await start("{name}", backend, issuer)
    yield running
    await running.stop()


async def test_what_was_recorded_can_be_read_and_listed({pkg}):
    request = {pkg}_pb2.Create{One}Request({one}={pkg}_pb2.{One}(display_name="First"))
    made = await {pkg}.call("{Title}Service/Create{One}", request, by="users/root")
    read = await {pkg}.call("{Title}Service/Get{One}", {pkg}_pb2.Get{One}Request(name=made.name), by="users/root")
    assert read == made
    page = await {pkg}.call("{Title}Service/List{One}s", {pkg}_pb2.List{One}sRequest(), by="users/root")
    assert made in page.{plural}
    assert await {pkg}.events(made.name) == ["{One}Created"]
'''


RULES = '''"""The rules of {name}, without any server."""

from {pkg}.domain import {One}


def test_a_new_record_is_named_by_its_id_and_not_stored_yet():
    record = {One}(display_name="First")
    assert record.name == f"{plural}/{{record.id}}"
    assert record.version == 0
'''


def make(name: str) -> list[Path]:
    """Writes the files and returns them."""
    pkg = name.replace("-", "_")
    title = "".join(part.title() for part in name.split("-"))
    words = {"name": name, "pkg": pkg, "Title": title, "One": f"{title}Item", "one": f"{pkg}_item"}
    words["plural"] = f"{words['one']}s"
    targets = {f"services/{name}/{path.format(**words)}": text for path, text in FILES.items()}
    targets |= {
        f"proto/crm/{pkg}/v1/{pkg}.proto": PROTO,
        f"proto/crm/{pkg}/v1/events.proto": EVENTS,
        f"tests/{pkg}/test_rpc.py": TEST,
        f"tests/{pkg}/test_domain.py": RULES,
    }
    written = []
    for target, text in targets.items():
        path = ROOT / target
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text.format(**words))
        written.append(path)
    settings = ROOT / "chassis/chassis/settings.py"
    settings.write_text(re.sub(r"(SERVICES = \(.*)\)", rf'\1, "{name}")', settings.read_text(), count=1))
    roles = ROOT / "chassis/chassis/roles.toml"
    granted = f'[sales_manager]\n"{pkg}.read" = "all"\n"{pkg}.write" = "all"\n'
    roles.write_text(roles.read_text().replace("[sales_manager]\n", granted, 1))
    values = ROOT / "deploy/helm/crm/values.yaml"
    key = re.sub(r"-(.)", lambda found: found[1].upper(), name)
    values.write_text(values.read_text().replace("  insights: {}\n", f"  insights: {{}}\n  {key}: {{}}\n", 1))
    return [*written, settings, roles, values]


def main() -> None:
    name = sys.argv[1] if len(sys.argv) == 2 else ""
    if not re.fullmatch(r"[a-z][a-z0-9]*(-[a-z0-9]+)*", name):
        sys.exit("usage: make new-service NAME=loyalty (small letters, digits and hyphens)")
    if (ROOT / "services" / name).exists():
        sys.exit(f"services/{name} exists already")
    for path in make(name):
        print(f"wrote {path.relative_to(ROOT)}")
    print("next: see in chassis/chassis/roles.toml who may use it, then: make docs openapi goldens check test")


if __name__ == "__main__":
    main()
