"""Documents: real glyphs, the same bytes each time, and nothing of a text read as markup."""

import logging
from dataclasses import replace
from importlib.util import find_spec

import pytest
from contracts.domain import Section
from contracts.printing import CHINESE_FONTS, LAYOUT, PROBE, ContractTooLong, Printer, font_folders, print_pdf
from contracts.wording import Wording, fill

PLAIN = Wording(
    title="Services",
    number="C-000001",
    company="Acme",
    customer="Bakery",
    language="en",
    sections=[Section(heading="Price", text="Ten euros.\n\nA month.")],
    draft=False,
)
needs_chinese = pytest.mark.skipif(find_spec(CHINESE_FONTS) is None, reason=f"{CHINESE_FONTS} is not installed")


@pytest.fixture(scope="module")
def printer():
    return Printer(font_folders(), system_fonts=False)


def test_the_same_wording_gives_the_same_bytes(printer):
    assert printer.pdf(PLAIN) == Printer(font_folders(), system_fonts=False).pdf(PLAIN)
    assert printer.pdf(PLAIN).startswith(b"%PDF-")


def test_another_wording_gives_another_document(printer):
    assert printer.pdf(replace(PLAIN, number="C-000002")) != printer.pdf(PLAIN)


def test_a_draft_is_marked(printer):
    assert printer.pdf(replace(PLAIN, draft=True)) != printer.pdf(PLAIN)


@pytest.mark.parametrize("name", ["Padaria São João Ção", "Иван Петров ЕООД, Йордан Щъркелов", "Łódź Žižkov Ğ"])
def test_portuguese_bulgarian_and_other_european_names_are_printed(printer, name, caplog):
    printer.pdf(replace(PLAIN, customer=name))
    assert caplog.records == []
    assert printer._missing(name) == []


@needs_chinese
def test_chinese_names_are_printed(printer):
    assert printer._missing("华为技术有限公司，深圳市龙岗区坂田") == []


def test_letters_we_take_for_granted_are_in_typsts_own_fonts():
    alone = Printer([], system_fonts=False)
    taken_for_granted = "".join(sorted(alone._printable - {"\n", "\t"}))
    alone._printable.clear()
    assert alone._missing(taken_for_granted) == []


def test_what_no_font_has_is_told_and_not_printed_as_boxes(caplog):
    alone = Printer([], system_fonts=False)
    with caplog.at_level(logging.WARNING):
        printed = alone.pdf(replace(PLAIN, customer="华 Bakery"))
    assert "no font has U+534E" in caplog.text
    assert printed != alone.pdf(replace(PLAIN, customer="[U+534E] Bakery")), "the note is missing"


def test_text_is_never_read_as_markup(printer):
    sections = [Section(text='#read("/etc/passwd") \\ "]')]
    printed = printer.pdf(replace(PLAIN, title="#panic() $x$ *bold* @ref <label>", sections=sections))
    assert printed.startswith(b"%PDF-")


CODE = (
    '#read("/etc/passwd")', '#include "/etc/passwd"', '#image("/etc/hostname")', '#import "@preview/cetz:0.3.4"',
    '#plugin("/bin/sh")', "#while true {}", "#let f(x) = f(x); #f(1)", "#eval(\"1+1\")", "#json(sys.inputs.wording)",
    "#sys.inputs", "$ sum_(i=0)^n i $", "```raw```", "= Heading", "- item", "https://example.com", "#panic()",
    "\\u{0}", "{{7*7}}", "${7*7}", "<%= 7*7 %>", '"]) #panic() #([', "\u202egnp.exe", "#set page(width: 1e9pt)",
)  # fmt: skip


@pytest.mark.parametrize("code", CODE)
@pytest.mark.parametrize("field", ["title", "number", "company", "customer", "heading", "text"])
def test_code_in_a_name_or_a_template_is_printed_as_it_stands(printer, field, code, monkeypatch):
    """The document is the layout's own drawing of exactly these characters: nothing was run, read or fetched."""
    if field in ("heading", "text"):
        wording = replace(PLAIN, sections=[Section(**({"text": "."} | {field: code}))])
    else:
        wording = replace(PLAIN, **{field: code})
    seen = []
    compile_ = printer._compile
    monkeypatch.setattr(printer, "_compile", lambda *given, **more: seen.append(given[0]) or compile_(*given, **more))
    assert printer.pdf(wording).startswith(b"%PDF-")
    assert set(seen) <= {LAYOUT, PROBE}, "what is compiled is ours, whatever the text"


def test_a_layout_has_no_way_to_files_packages_or_code():
    """The two sources that are compiled: neither reads, imports, evaluates or includes anything."""
    for source in (LAYOUT, PROBE):
        for word in (b"#eval", b"eval(", b"read(", b"import", b"include", b"plugin(", b"image("):
            assert word not in source


def test_a_contract_that_placeholders_make_endless_is_refused_at_once(printer):
    grown = fill("{customer}" * 2000, {"customer": "x" * 201})
    with pytest.raises(ContractTooLong):
        printer.pdf(replace(PLAIN, sections=[Section(text=grown)]))
    with pytest.raises(ContractTooLong):
        printer.pdf(replace(PLAIN, sections=[Section(text="\n" * 20_000)]))


def test_a_document_of_thousands_of_strange_characters_tells_of_some(caplog):
    alone = Printer([], system_fonts=False)
    with caplog.at_level(logging.WARNING):
        alone.pdf(replace(PLAIN, customer="".join(map(chr, range(0x10000, 0x10200)))))
    assert len(caplog.text) < 1000
    assert "more" in caplog.text


async def test_printing_does_not_happen_on_the_event_loop():
    assert (await print_pdf(PLAIN)).startswith(b"%PDF-")
