"""Reading what people write, without a database."""

import time

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from leads.domain import mail, reading
from leads.domain.capture import FIELDS, LONGEST_NOTE, Capture, CaptureState, CaptureTaken, Kind, LeadFields
from leads.phones import digits, e164


@pytest.mark.parametrize(
    ("text", "name", "company", "phone", "email", "note"),
    [
        ("Ана Петрова, Роза ООД, 0888 123 456, иска фурна", "Ана Петрова", "Роза ООД", "0888 123 456", "",
         "иска фурна"),
        ("张伟 上海面包有限公司 13812345678 想买烤箱", "张伟", "上海面包有限公司", "13812345678", "", "想买烤箱"),
        (
            "João da Silva - Padaria São João Ltda - joao@padaria.com.br - +55 11 98765-4321 - quer um forno",
            "João da Silva", "Padaria São João Ltda", "+55 11 98765-4321", "joao@padaria.com.br", "quer um forno",
        ),
        (
            "Name: Ana Petrova; Company: Rosa; tel. +359 2 123 45 67; wants an oven on 2026-03-01",
            "Ana Petrova", "Rosa", "+359 2 123 45 67", "", "wants an oven on 2026-03-01",
        ),
        ("Ana Petrova\nRosa Bakery\n+359 2 1234567\nana@rosa.example", "Ana Petrova", "Rosa Bakery", "+359 2 1234567",
         "ana@rosa.example", ""),
        ("姓名：李娜，公司：花店，电话：010-62345678", "李娜", "花店", "010-62345678", "", ""),
        ("Name: Ana\nName: Boris", "Ana", "", "", "", "Name: Boris"),
        ("call from the bakery, wants an oven", "", "", "", "", "call from the bakery, wants an oven"),
        ("Ana, order 2026-03-01", "Ana", "", "", "", "order 2026-03-01"),
    ],
)  # fmt: skip
def test_a_line_is_read_in_the_order_in_which_people_say_things(text, name, company, phone, email, note):
    assert reading.quick_entry(text) == LeadFields(
        display_name=name, company=company, phone=phone, email=email, note=note
    )


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("ring +359 (2) 123-45-67 today", "+359 (2) 123-45-67"),
        ("on 2026-03-01 ring 030 1234567", "030 1234567"),
        ("order 12345", ""),
        ("id 12345678901234567890", ""),
        ("am 01.03.2026", ""),
        ("我的电话是13812345678", "13812345678"),
    ],
)
def test_a_phone_number_is_told_from_other_numbers(text, number):
    assert reading.phone(text) == number


@given(st.text())
@example("名:")
@example("Name:\nName:")
def test_whatever_somebody_types_is_read_and_nothing_of_it_is_made_up(text):
    found = reading.quick_entry(text)
    for name in FIELDS:
        for piece in getattr(found, name).split(", "):
            assert piece.strip() in text


@given(st.text("abcАБВ张伟 ,;:@.+0123456789\n-"))
def test_no_word_of_a_line_is_lost(text):
    """A prospect is lost where a word is: what is not understood stands in the note."""
    found = reading.quick_entry(text)
    kept = " ".join(getattr(found, name) for name in FIELDS)
    for letter in set(text) & set("abcАБВ张伟"):
        assert letter in kept


@pytest.mark.parametrize(
    ("values", "fields"),
    [
        ({"your-name": "Ana", "E-Mail": "a@b.de", "Telefon": "030 1234567"}, ("Ana", "a@b.de", "030 1234567", "")),
        ({"first_name": "Ana", "last_name": "Silva", "mensagem": "Oi"}, ("Ana Silva", "", "", "Oi")),
        ({"名": "娜", "姓": "李", "手机号": "13812345678"}, ("李娜", "", "13812345678", "")),
        ({"contact[email]": "a@b.de", "budget": "5000"}, ("", "a@b.de", "", "budget: 5000")),
        ({"email": "a@b.de", "Email": "c@d.de"}, ("", "a@b.de", "", "Email: c@d.de")),
        ({"name": "  "}, ("", "", "", "")),
    ],
)
def test_a_form_is_read_by_the_names_of_its_fields(values, fields):
    found = reading.web_form(values)
    assert (found.display_name, found.email, found.phone, found.note) == fields


def test_a_chat_gives_the_visitors_last_number_and_not_the_agents():
    found = reading.chat([(False, "Call us: 030 7654321"), (True, "030 1111111"), (True, "no, 030 2222222")])
    assert found.phone == "030 2222222"
    assert found.note == "< Call us: 030 7654321\n> 030 1111111\n> no, 030 2222222"


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("https://x.example/p?utm_source=google&UTM_Campaign=spring&x=2", {"source": "google", "campaign": "spring"}),
        ("https://x.example/p?gclid=a&fbclid=b", {"gclid": "a", "fbclid": "b"}),
        ("https://x.example/p?utm_source=&utm_=x", {}),
        ("https://[broken/?utm_source=a", {}),
        ("", {}),
    ],
)
def test_campaigns_are_read_out_of_a_pages_address(url, told):
    assert reading.campaign(url) == told


@given(st.text())
def test_no_address_is_too_odd_to_be_kept(url):
    assert len(reading.campaign(url)) <= 20


# ---- e-mail

LETTER = """\
From: =?utf-8?b?0JDQvdCwINCf0LXRgtGA0L7QstCw?= <ana@rosa.example>
To: sales@us.example
Subject: =?utf-8?b?5oOz5Lmw54Ok566x?=
Message-ID: <two@rosa.example>
In-Reply-To: <one@us.example>
References: <zero@rosa.example> <one@us.example>
Content-Type: text/plain; charset=utf-8

Please call +359 2 123 45 67.

On Monday sales wrote:
> Our number is +359 2 999 99 99
"""


def letter(text: str = LETTER, **headers: str) -> mail.Mail:
    lines = "".join(f"{name.replace('_', '-')}: {value}\n" for name, value in headers.items())
    return mail.read((lines + text).encode())


def test_an_email_says_who_wrote_it_and_what_it_answers():
    read = letter()
    assert (read.fields.display_name, read.fields.email) == ("Ана Петрова", "ana@rosa.example")
    assert read.fields.phone == "+359 2 123 45 67"
    assert read.fields.note == "想买烤箱\n\nPlease call +359 2 123 45 67."
    assert read.message_id == "<two@rosa.example>"
    assert read.answers == ["<one@us.example>", "<zero@rosa.example>"]
    assert read.why_not == ""


def test_whoever_is_to_be_answered_is_meant():
    read = letter(Reply_To="<other@rosa.example>")
    assert read.fields.email == "other@rosa.example"


@pytest.mark.parametrize(
    ("headers", "refused"),
    [
        ({"Auto_Submitted": "auto-replied"}, True),
        ({"Auto_Submitted": "no"}, False),
        ({"Precedence": "bulk"}, True),
        ({"Reply_To": "MAILER-DAEMON@x.example"}, True),
        ({"Reply_To": "noreply@x.example"}, True),
        ({"Reply_To": "nora@x.example"}, False),
    ],
)
def test_what_a_machine_sent_is_told(headers, refused):
    assert bool(letter(**headers).why_not) is refused


def test_html_is_read_as_text():
    html = "From: a@b.example\nContent-Type: text/html\n\n<style>p{}</style><p>Call <b>030 1234567</b></p>"
    read = letter(html)
    assert read.fields.phone == "030 1234567"
    assert "<" not in read.text
    assert "p{}" not in read.text


@pytest.mark.parametrize(
    "raw",
    [
        b"", b"\0\0", b"From: \xff\xfe@\n\n\xff", b"Content-Type: text/plain; charset=nonsense\n\n\xe4",
        b"From: a@b.example\nSubject: =?utf-8?q?=FF=FE?=\n\nx", b"Content-Type: multipart/mixed\n\nx",
        b"From: =?unknown-8bit?q?=E4?= <a@b.example>\n\n", b"Content-Type: message/rfc822\n\n\n",
        b"From: a@b.example,, <>\nMessage-ID: <" + b"x" * 3000 + b">\n\n",
    ],
)  # fmt: skip
def test_a_broken_email_is_read_as_far_as_it_goes(raw):
    mail.read(raw)


@given(st.binary(max_size=400) | st.binary(max_size=200).map(lambda junk: b"From: a@b.c\nSubject: " + junk))
def test_no_bytes_are_too_odd_to_be_read(raw):
    read = mail.read(raw)
    assert "\0" not in read.fields.note + read.fields.display_name + read.text
    assert len(read.fields.note) <= LONGEST_NOTE


NESTED = b"".join(b"Content-Type: multipart/mixed; boundary=b%d\n\n--b%d\n" % (n, n) for n in range(3000))


@pytest.mark.parametrize(
    "raw",
    [
        b"From: " + b"(" * 300_000 + b"\n\nx",
        b"From: " + b"a," * 300_000 + b"\n\nx",
        b"From: a@b.example\nContent-Type: text/html\n\n" + b"<script" * 90_000,
        b"From: a@b.example\nContent-Type: text/html\n\n" + b"<" * 600_000,
        b"From: a@b.example\n\n" + b"1 " * 300_000,
        b"From: a@b.example\n" + NESTED,
        b"From: a@b.example\nSubject: " + b"=?utf-8?q?a" * 50_000 + b"\n\nx",
    ],
    ids=["comments", "senders", "scripts", "tags", "digits", "parts", "words"],
)  # fmt: skip
def test_no_email_keeps_us_busy(raw):
    """Each of these took minutes, or more stack than there is, with a reader that is made for honest e-mails."""
    began = time.process_time()
    mail.read(raw)
    assert time.process_time() - began < 5


@pytest.mark.parametrize("text", ["a" * 5000, "a@" * 2500, "a@" + "b." * 2499, "1 " * 2500, "a" + " " * 4998 + ":"])
def test_no_line_keeps_us_busy(text):
    began = time.process_time()
    for _ in range(20):
        reading.quick_entry(text)
    assert time.process_time() - began < 5


def test_a_word_in_an_old_character_set_is_read():
    read = mail.read(b"From: =?iso-8859-1?q?Jo=E3o?= <j@x.example>\nSubject: caf\xc3\xa9\n\nOl\xc3\xa1")
    assert (read.fields.display_name, read.fields.note) == ("João", "café\n\nOlá")


def test_a_name_with_a_comma_is_one_name():
    assert mail.read(b"From: =?utf-8?q?Petrova=2C_Ana?= <a@x.example>\n\n").fields.display_name == "Petrova, Ana"


def test_an_attachment_is_not_the_letter():
    raw = (
        "From: a@b.example\nContent-Type: multipart/mixed; boundary=x\n\n--x\nContent-Type: text/plain\n"
        "Content-Disposition: attachment\n\nnot this\n--x\nContent-Type: text/html\n\n<p>but this</p>\n--x--\n"
    )
    assert mail.read(raw.encode()).text == "but this"


# ---- phone numbers


@pytest.mark.parametrize(
    ("text", "country", "number"),
    [
        ("+359 (0)888 123-456", "", "+359888123456"),
        ("0888 123 456", "BG", "+359888123456"),
        ("0888 123 456", "", ""),
        ("00359888123456", "BG", "+359888123456"),
        ("(11) 98765-4321", "br", "+5511987654321"),
        ("138 1234 5678", "CN", "+8613812345678"),
        ("12345", "BG", ""),
        ("hello", "BG", ""),
        ("0888 123 456", "XX", ""),
        ("+" + "1" * 100, "US", ""),
    ],
)
def test_a_number_is_read_in_its_country(text, country, number):
    assert e164(text, country) == number


@given(st.text(), st.sampled_from(["", "BG", "BR", "CN", "US"]))
def test_a_number_read_twice_is_the_same_number(text, country):
    once = e164(text, country)
    assert e164(once, country) == once
    assert once == "" or digits(once) == once[1:]


# ---- what becomes of a capture


@pytest.mark.parametrize(
    ("kind", "fields", "taken"),
    [
        (Kind.QUICK_ENTRY, {"display_name": "Ana"}, True),
        (Kind.QUICK_ENTRY, {"note": "somebody called"}, False),
        (Kind.REFERRAL, {"company": "Rosa"}, True),
        (Kind.CHAT, {"display_name": "Ana"}, False),
        (Kind.CHAT, {"phone": "030 1234567"}, True),
        (Kind.WEB_FORM, {"display_name": "Ana", "company": "Rosa"}, False),
        (Kind.WEB_FORM, {"email": "a@b.de"}, True),
    ],
)
def test_what_a_lead_can_be_made_of_depends_on_who_brought_it(kind, fields, taken):
    assert (Capture(kind=kind, **fields).missing == "") is taken


def test_what_was_taken_in_is_not_taken_in_again():
    capture = Capture(kind=Kind.CHAT)
    capture.check_open()
    capture.state = CaptureState.CREATED
    with pytest.raises(CaptureTaken):
        capture.check_open()


def test_what_is_given_wins_over_what_was_read():
    capture = Capture(kind=Kind.QUICK_ENTRY, display_name="Read", phone="1")
    capture.fill(LeadFields(display_name="Given"))
    assert (capture.display_name, capture.phone) == ("Given", "1")
