"""The bundle itself: its files, the manifest that says what is in it and what is not, and the archive."""

import gzip
import hashlib
import io
import json
import os
import tarfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from chassis.stack.folder import DataFolder

from chassis import release
from crmctl.bundle import log_lines, measurements, settings
from crmctl.doctor.examination import Report, as_json
from crmctl.doctor.findings import Finding
from crmctl.doctor.installation import Installation
from crmctl.problem import Problem

MANIFEST = "MANIFEST.md"
SERVERS = ("postgres", "nats-server")
PREPARATIONS = ("migrate", "streams")
CONTENTS = """\
# A support bundle of the CRM suite

Made {when} by crmctl {release}, of {what}. Nothing was sent anywhere; who has this file decides who gets it.

## What is in it

{files}

## What is not in it

- Nobody's name, e-mail address, number or text: no record was read, only counted.
- No password, key, token or certificate; no address of a server. Of most settings it says only whether they are set;
  settings that are not on the list of crmctl are not mentioned.
- No log line: of each only its time, its level, the template in our source that it was made of, and the class of the
  error. Lines that we did not write are counted. Of the logs of Postgres and NATS only levels are counted.
- No answer of another program: what `crmctl ops doctor` shows as "It said" is left out.
- No label of a metric that is not a word of our source, a bound or a status: it reads `{left_out}`.
{missing}"""
SAID_OF = {
    "doctor.json": "what `crmctl ops doctor` found, without what others said",
    "versions.json": "releases, servers, Python, packages, size of the machine",
    "settings.json": "settings that are known to be harmless; of others whether they are set",
    "schemas.json": "revisions of each database, and what the code wants",
    "streams.json": "streams and durables in figures",
    "metrics": "what the process counted",
    "logs": "what kinds of lines its log has",
}


def pack(file: Path, installation: Installation, report: Report) -> dict[str, int]:
    """Writes the archive, whole or not at all, for our eyes only; the size of each file in it. Raises Problem."""
    if file.exists():
        raise Problem(f"{file} exists already: name another file.")
    contents = files(installation, report)
    contents = {MANIFEST: _manifest(installation, contents), **contents}
    unfinished = file.with_name(f"{file.name}.new")
    try:
        descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "wb") as out:
            out.write(_archive(contents))
        unfinished.rename(file)
    except OSError as problem:
        raise Problem(f"{file} cannot be written: {problem.strerror}.") from None
    return {name: len(content) for name, content in contents.items()}


def files(installation: Installation, report: Report) -> dict[str, bytes]:
    """Everything but the manifest."""
    found = {
        "doctor.json": _json(as_json(report, details=False)),
        "versions.json": _json(measurements.versions(report)),
        "settings.json": _json(settings.of_processes(installation)),
        "schemas.json": _json({one.part: one.figures for one in report.findings if one.check == "schema"}),
        "streams.json": _json({one.check: dict(one.figures) for one in report.findings if _of_streams(one)}),
    }
    for process in report.processes:
        found[f"metrics/{process.name.replace(' ', '-')}.txt"] = measurements.metrics(process.metrics).encode()
    if installation.data_dir is not None:
        folder = DataFolder(installation.data_dir)
        for name in (*sorted(installation.admin), *PREPARATIONS, *SERVERS):
            if (log := folder.log(name)).is_file():
                told = log_lines.of_server(log) if name in SERVERS else log_lines.told(log)
                found[f"logs/{name}.json"] = _json(told)
    return found


def _of_streams(one: Finding) -> bool:
    return one.part == "nats" and "version" not in one.figures


def _manifest(installation: Installation, contents: dict[str, bytes]) -> bytes:
    lines = ["| file | what | bytes | SHA-256 |", "|---|---|---|---|"]
    for name, content in contents.items():
        what = SAID_OF[name if name in SAID_OF else name.partition("/")[0]]
        lines.append(f"| {name} | {what} | {len(content)} | {hashlib.sha256(content).hexdigest()} |")
    missing = (
        "" if installation.local else "- No logs and no settings of the processes: they are not of this machine.\n"
    )
    text = CONTENTS.format(
        when=datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        release=release.NUMBER,
        what="a local suite" if installation.local else "an installation by its addresses",
        files="\n".join(lines),
        left_out=measurements.LEFT_OUT,
        missing=missing,
    )
    return text.encode()


def _archive(contents: dict[str, bytes]) -> bytes:
    """A tar.gz that says of whoever made it neither login nor file name."""
    packed = io.BytesIO()
    with gzip.GzipFile("", "wb", fileobj=packed, mtime=0) as out, tarfile.open(fileobj=out, mode="w") as archive:
        for name, content in contents.items():
            member = tarfile.TarInfo(f"crm-bundle/{name}")
            member.size, member.mode = len(content), 0o600
            archive.addfile(member, io.BytesIO(content))
    return packed.getvalue()


def _json(value: Any) -> bytes:
    return (json.dumps(value, indent=2, ensure_ascii=False) + "\n").encode()
