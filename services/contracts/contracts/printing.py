"""Printing: a wording as a PDF, set by typst. The same wording gives the same bytes.

Characters that no installed font has are printed by their code point with a note that says so, never as empty boxes.
Fonts: typst's own (Latin, Greek, Cyrillic), Noto Serif SC where its package is installed, folders of FONT_PATHS, and
the system's.
"""

import asyncio
import json
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, replace
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import typst
from chassis.errors import FailedPrecondition
from chassis.telemetry import log

from contracts.domain import Section
from contracts.wording import Wording

MEDIA_TYPE = "application/pdf"
CHINESE_FONTS = "pylopdf_fonts_zh_cn"  # a wheel that holds nothing but Noto Sans SC and Noto Serif SC
LAYOUT = Path(__file__).with_name("layout.typ").read_bytes()
PROBE = b"""
#set page(width: auto, height: auto)
#set text(font: ("Libertinus Serif", "Noto Serif SC"))
#for character in json(bytes(sys.inputs.characters)) { page(character) }
"""
NO_CHARACTER = "\U0010fffd"  # for private use: a font that draws it draws it as missing
MOST_TOLD = 20  # characters without a glyph that are named one by one
# Placeholders make a short template long, and each line costs as much as twenty characters. This is some 150 pages,
# set in about a second; without a bound one contract would keep all others waiting.
LARGEST = 400_000
COST_OF_A_LINE = 20
KNOWN = frozenset(map(chr, (*range(0x20, 0x7F), *range(0xA0, 0x180), *range(0x400, 0x460)))) | {"\n", "\t"}


class ContractTooLong(FailedPrecondition):
    """With its facts filled in the contract is too long to be printed; use a shorter template."""


class Printer:
    """One typst compiler with its fonts. For one thread at a time."""

    def __init__(self, font_folders: Sequence[str], *, system_fonts: bool = True) -> None:
        fonts = typst.Fonts(include_system_fonts=system_fonts, font_paths=list(font_folders))
        self._compiler = typst.Compiler(LAYOUT, font_paths=fonts)
        self._printable, self._unprintable = set(KNOWN), set[str]()

    def pdf(self, wording: Wording) -> bytes:
        """The document, with a note about the characters it cannot show."""
        text = "".join(_texts(wording))
        size = len(text) + text.count("\n") * COST_OF_A_LINE
        if size > LARGEST:
            raise ContractTooLong(contract=wording.number, size=size, most=LARGEST)
        missing = self._missing(text)
        data = asdict(_spelled_out(wording, missing)) | {"unprintable": _told(missing)}
        if missing:
            log.warning("contract %s: no font has %s", wording.number, ", ".join(data["unprintable"]))
        return self._compile(LAYOUT, "pdf", wording=json.dumps(data, ensure_ascii=False), timestamp=0)

    def _missing(self, text: str) -> list[str]:
        """The characters of `text` that no font has, sorted. Asked of typst once per character."""
        unknown = sorted(set(text) - self._printable - self._unprintable)
        if unknown:
            pages = self._compile(PROBE, "svg", characters=json.dumps([NO_CHARACTER, *unknown]))
            drawn = dict(zip(unknown, pages[1:], strict=True))
            self._unprintable |= {one for one, page in drawn.items() if page == pages[0]}
            self._printable |= set(unknown) - self._unprintable
        return sorted(set(text) & self._unprintable)

    def _compile(self, source: bytes, kind: Any, timestamp: int | None = None, **inputs: str) -> Any:
        return self._compiler.compile(source, format=kind, sys_inputs=inputs, timestamp=timestamp)


def _texts(wording: Wording) -> list[str]:
    """Every text a document shows."""
    parts = [part for section in wording.sections for part in (section.heading, section.text)]
    return [wording.title, wording.number, wording.company, wording.customer, *parts]


def _spelled_out(wording: Wording, missing: Sequence[str]) -> Wording:
    """The wording with characters no font has replaced by their code points, in brackets."""
    codes = str.maketrans({one: f"[{_code_point(one)}]" for one in missing})
    if not codes:
        return wording
    sections = [
        Section(heading=part.heading.translate(codes), text=part.text.translate(codes)) for part in wording.sections
    ]
    names = {name: getattr(wording, name).translate(codes) for name in ("title", "company", "customer")}
    return replace(wording, sections=sections, **names)


def _told(missing: Sequence[str]) -> list[str]:
    """The first of the characters by their code points, and how many more there are."""
    more = [f"{len(missing) - MOST_TOLD} more"] if len(missing) > MOST_TOLD else []
    return [_code_point(one) for one in missing[:MOST_TOLD]] + more


def _code_point(character: str) -> str:
    return f"U+{ord(character):04X}"


def font_folders() -> list[str]:
    """Folders of fonts besides the system's: the Chinese ones if installed, and those of the setting FONT_PATHS."""
    package = find_spec(CHINESE_FONTS)
    installed = list(package.submodule_search_locations or []) if package else []
    return installed + [folder for folder in os.environ.get("FONT_PATHS", "").split(os.pathsep) if folder]


_press = ThreadPoolExecutor(max_workers=1, thread_name_prefix="typst")  # a compiler serves one thread


@cache
def _printer() -> Printer:
    return Printer(font_folders())


async def print_pdf(wording: Wording) -> bytes:
    """The PDF of a wording, made beside the event loop (typst releases the GIL)."""
    return await asyncio.get_running_loop().run_in_executor(_press, lambda: _printer().pdf(wording))
