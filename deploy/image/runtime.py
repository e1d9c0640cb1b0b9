"""Python and the C libraries it and its packages load, out of a Debian: no shell, no package manager, no compiler.

Scanners find the Debian packages of what was taken in var/lib/dpkg/status.d.
"""

import os
import re
import shutil
import subprocess
import sys
import sysconfig
from functools import cache
from pathlib import Path

PYTHON = f"{sys.base_prefix}/bin/python{sys.version_info.major}.{sys.version_info.minor}"
STDLIB = Path(sysconfig.get_path("stdlib"))
LEFT_OUT = shutil.ignore_patterns(
    *(
        "test",
        "tests",
        "idlelib",
        "tkinter",
        "turtledemo",
        "lib2to3",
        "ensurepip",
        "pydoc_data",
        "config-*",
        "*-packages",
    ),
    *("__pycache__", "_tkinter*", "_test*", "_ctypes_test*", "*.a"),
)
USER = 10001  # a number: Kubernetes cannot know that a name is not root
TAKEN = tuple(
    Path("/etc", name)
    for name in (
        *("ssl/certs/ca-certificates.crt", "os-release", "nsswitch.conf", "services", "protocols", "ld.so.conf"),
        *(str(path.relative_to("/etc")) for path in Path("/etc/ld.so.conf.d").glob("*.conf")),
    )
)


def write(folder: Path) -> None:
    for name in ("lib", "lib64"):
        (folder / "usr" / name).mkdir(parents=True)
        (folder / name).symlink_to(f"usr/{name}")
    shutil.copytree(STDLIB, folder / STDLIB.relative_to("/"), ignore=LEFT_OUT)
    binary = folder / PYTHON.lstrip("/")
    binary.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(os.path.realpath(PYTHON), binary)
    for name in ("python3", "python"):
        (binary.parent / name).symlink_to(binary.name)
    for path in [*libraries(), *TAKEN]:
        if path.exists():
            _take(path, folder)
    subprocess.run(["ldconfig", "-r", str(folder)], check=True)
    shutil.rmtree(folder / "var/cache", ignore_errors=True)
    (folder / "tmp").mkdir()
    (folder / "tmp").chmod(0o1777)
    (folder / "etc/passwd").write_text(f"crm:x:{USER}:{USER}::/tmp:/none\n")
    (folder / "etc/group").write_text(f"crm:x:{USER}:\n")
    status = folder / "var/lib/dpkg/status.d"
    status.mkdir(parents=True)
    for name in packages():
        told = subprocess.run(["dpkg-query", "--status", name], check=True, capture_output=True, text=True).stdout
        (status / name.split(":")[0]).write_text(told)


@cache
def libraries() -> tuple[Path, ...]:
    """Shared libraries of the system that Python, its modules and the installed packages name, and what those name."""
    modules = [Path(PYTHON), *STDLIB.glob("lib-dynload/*.so"), *Path(sys.prefix, "lib").rglob("*.so*")]
    loaded: set[str] = set()
    for module in modules:
        named = subprocess.run(["ldd", str(module)], check=False, capture_output=True, text=True).stdout
        loaded |= set(re.findall(r"(?:=> |^\s)(/\S+) \(", named, re.MULTILINE))
    return tuple(sorted(Path(path) for path in loaded if not path.startswith(sys.prefix)))


@cache
def packages() -> tuple[str, ...]:
    """The Debian packages that what was taken belongs to."""
    owners = set()
    for path in (*libraries(), *TAKEN):
        # Packages name a file as it was before /lib became a link to /usr/lib, or after.
        for spelling in {str(path), os.path.realpath(path), os.path.realpath(path).removeprefix("/usr")}:
            found = subprocess.run(["dpkg-query", "--search", spelling], check=False, capture_output=True, text=True)
            owners |= {line.rpartition(": ")[0] for line in found.stdout.splitlines() if "diversion" not in line}
    return tuple(sorted(owner for owner in owners if "," not in owner))


def _take(path: Path, folder: Path) -> None:
    """A file under its name, and if that is a link what it links to."""
    real = Path(os.path.realpath(path))
    parent = Path(os.path.realpath(path.parent))
    for one in {parent / path.name, real}:
        target = folder / one.relative_to("/")
        target.parent.mkdir(parents=True, exist_ok=True)
        if not target.exists():
            shutil.copy(one, target, follow_symlinks=not one.is_symlink())
