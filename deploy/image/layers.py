"""The folders that become an image's layers, written by the Python in whose environment is all of requirements.lock.

`python layers.py FOLDER`: runtime, code, and shared (what every service needs), which a node keeps once for all images.
`python layers.py FOLDER IMAGE`: own, what this image has beside them; one that does not need all of shared has it all
in its own. All files are as old as SOURCE_DATE_EPOCH: the same sources give the same layers.
"""

import compileall
import json
import os
import shutil
import sys
import sysconfig
from importlib.metadata import distribution
from pathlib import Path
from py_compile import PycInvalidationMode

import bill
import contents
import runtime

APP = Path("app")
SITE = Path(sysconfig.get_path("purelib", vars={"base": sys.base_prefix})).relative_to("/")
# What no process of ours reads: tests, and of phone numbers all but their shapes.
UNREAD = ("tests", "geodata", "carrierdata", "tzdata/zoneinfo/right")
START = """#!{python}
from runpy import run_module
run_module("{module}", run_name="__main__", alter_sys=True)
"""


def write_common(folder: Path) -> None:
    runtime.write(folder / "runtime")
    code(folder / "code")
    executable(folder / "code/usr/local/bin/crmctl", "crmctl")
    for name in sorted(contents.shared()):
        copy(name, folder / "shared" / SITE)
    for layer in ("runtime", "code", "shared"):
        finish(folder / layer)


def write_own(folder: Path, image: str) -> None:
    needed, shared = contents.needed(image), contents.shared()
    if not shared <= needed:
        shutil.rmtree(folder / "shared")
        (folder / "shared").mkdir()
        shared = set()
    own = folder / "own"
    for name in sorted(needed - shared):
        copy(name, own / SITE)
    executable(own / "usr/local/bin/start", contents.package(image))
    told = own / "usr/share/sbom/crm.cdx.json"
    told.parent.mkdir(parents=True)
    told.write_text(json.dumps(bill.of(image, sorted(needed), runtime.packages()), indent=1, sort_keys=True))
    finish(own)


def copy(name: str, site: Path) -> None:
    """An installed distribution's files, but scripts and what nobody reads."""
    one = distribution(name)
    for path in one.files or []:
        unread = any(part in UNREAD for part in path.parts)
        if path.parts[0] == ".." or unread or path.suffix in (".pyc", ".pyi", ".pyx", ".pxd", ".h", ".c"):
            continue
        target = site / path
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(str(one.locate_file(path)), target)


def code(folder: Path) -> None:
    """Ours, all of it: it is small, and the same in every image."""
    left_out = shutil.ignore_patterns("__pycache__", "*.pyc", "README.md")
    for source in contents.sources():
        shutil.copytree(contents.ROOT / source, folder / APP / source, ignore=left_out)
    paths = folder / SITE / "crm-suite.pth"
    paths.parent.mkdir(parents=True)
    paths.write_text("".join(f"/{APP / source}\n" for source in sorted(contents.sources())))


def executable(path: Path, module: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(START.format(python=runtime.PYTHON, module=module))
    path.chmod(0o755)


def finish(folder: Path) -> None:
    """Beside each module what Python makes of it, since nothing is written when the image runs; and one age."""
    mode = PycInvalidationMode.UNCHECKED_HASH
    compileall.compile_dir(folder, quiet=2, stripdir=folder, prependdir="/", invalidation_mode=mode)
    moment = int(os.environ.get("SOURCE_DATE_EPOCH", "0"))
    for path in (folder, *folder.rglob("*")):
        os.utime(path, (moment, moment), follow_symlinks=False)


if __name__ == "__main__":
    target, *only = sys.argv[1:]
    write_own(Path(target), *only) if only else write_common(Path(target))
