"""What is let into a bundle, whatever stands in a log, a metric or a setting: words of our own source, nothing else."""

import json
from pathlib import Path

import pytest
from crmctl.bundle import log_lines, measurements, settings, vocabulary
from hypothesis import given
from hypothesis import strategies as st

NAMES = ["Бойка Желязкова", "陈晓明", "João da Conceição", "ana@rosa.example", "+359 888 264417", "hunter2"]
TEMPLATES = [text for text, _ in vocabulary.templates()]
KNOWN = vocabulary.words() | vocabulary.errors()  # read once, before the examples, which have a deadline
BEGIN = "Traceback (most recent call last):\n"
LINE = '{"time": "2026-11-26T11:20:28.485Z", "level": "INFO", "message": "leads serves on 127.0.0.1:1"}'


def test_templates_are_those_that_our_code_logs() -> None:
    assert {"relay waits: %s", "event %s %s failed", "%s serves on %s", "answered %d: %s", "call"} <= set(TEMPLATES)
    assert len(TEMPLATES) > 50


@given(st.sampled_from(TEMPLATES), st.lists(st.sampled_from(NAMES) | st.text(), min_size=4, max_size=4))
def test_a_message_becomes_a_template_and_its_values_are_gone(text: str, values: list[str]) -> None:
    parts = vocabulary.PLACE.split(text)
    message = "".join(part + value for part, value in zip(parts, [*values[: len(parts) - 1], ""], strict=True))
    assert vocabulary.template(message) in TEMPLATES


@pytest.mark.parametrize("text", ["event %s %s failed", "relay waits: %s", "saga %s of %s given up: %s"])
def test_of_templates_that_fit_the_one_that_says_most_is_told(text: str) -> None:
    assert vocabulary.template(text.replace("%s", "x failed")) == text


@given(st.text() | st.sampled_from(NAMES))
def test_what_our_code_does_not_say_is_no_template(message: str) -> None:
    assert vocabulary.template(f"{message} is what nobody of ours would say.") == ""


@given(
    st.dictionaries(st.sampled_from(["time", "level", "message", "error", "process", "x"]), st.text() | st.integers())
)
def test_a_line_of_any_content_gives_known_words_only(line: dict[str, object]) -> None:
    told = log_lines._line(json.dumps(line))
    if told is None:
        return
    assert told["template"] in {*TEMPLATES, log_lines.OTHER}
    assert told["time"] == "" or log_lines.TIME.fullmatch(told["time"])
    assert told["level"].lower() in {*vocabulary.LEVELS, ""}
    assert told.get("error", "ValueError") in KNOWN


@pytest.mark.parametrize(
    ("traceback", "kind"),
    [
        (f'{BEGIN}  File "x"\nasyncpg.exceptions.UniqueViolationError: Key (a)=(b)', "UniqueViolationError"),
        (f"{BEGIN}ValueError: no\nAna: said so", "ValueError"),
        (f"{BEGIN}TimeoutError", "TimeoutError"),
        ("Conceição: no", ""),
        ("", ""),
    ],
)
def test_the_kind_of_an_error_is_the_last_class_that_there_is(traceback: str, kind: str) -> None:
    assert log_lines._kind(traceback) == kind


def test_a_long_log_is_read_from_its_end_and_half_a_line_is_none(tmp_path: Path) -> None:
    log = tmp_path / "leads.log"
    count = log_lines.TAIL_BYTES // len(LINE) + 100
    log.write_text(f"{LINE}\n" * count)
    told = log_lines.told(log)
    assert told["not_ours"] == 0
    assert len(told["last"]) == log_lines.LAST < told["lines"] < count
    assert told["counts"] == [{"level": "INFO", "template": "%s serves on %s", "error": "", "count": told["lines"]}]


@pytest.mark.parametrize(
    ("line", "kept"),
    [
        ("crm_outbox_waiting 3", "crm_outbox_waiting 3"),
        ('crm_events_waiting{producer="service-desk"} 1', 'crm_events_waiting{producer="service-desk"} 1'),
        ('crm_x_bucket{le="+Inf"} 1', 'crm_x_bucket{le="+Inf"} 1'),
        ('crm_calls_total{method="crm.leads.v1.LeadService/CreateLead",code="OK"} 4',
         'crm_calls_total{method="crm.leads.v1.LeadService/CreateLead",code="OK"} 4'),
        ('crm_tokens_refused_total{reason="expired"} 2', 'crm_tokens_refused_total{reason="expired"} 2'),
        ('crm_x{status="359888264417"} 1', 'crm_x{status="left-out"} 1'),
        ("# TYPE crm_x counter", None),
        ("process_name 1", None),
        ('crm_x{name="a"} b', None),
        ('crm_x{a="b\\"c"} 1', None),
    ],
)  # fmt: skip
def test_a_line_of_metrics_is_kept_or_not(line: str, kept: str | None) -> None:
    assert measurements.metrics(line) == (f"{kept}\n" if kept else "")


@given(st.sampled_from(["reason", "status", "le", "release", "owner"]), st.sampled_from(NAMES) | st.text(min_size=1))
def test_no_label_is_kept_that_is_not_ours(label: str, value: str) -> None:
    told = measurements.metrics(f'crm_x{{{label}="{value}"}} 1')
    shape = measurements.SHAPES.get(label)
    if value not in vocabulary.words() and not (shape and shape.fullmatch(value)):
        assert told in ("", "\n", f'crm_x{{{label}="{measurements.LEFT_OUT}"}} 1\n')


@given(st.dictionaries(st.sampled_from([*settings.SHOWN, *settings.MENTIONED, "HOME", "X"]), st.sampled_from(NAMES)))
def test_a_setting_that_holds_anything_is_never_shown(env: dict[str, str]) -> None:
    shown = settings.shown(env)
    assert set(shown.values()) <= {settings.SET, settings.EMPTY, settings.ODD}
    assert not {"HOME", "X"} & shown.keys()


@pytest.mark.parametrize(
    ("name", "value", "fits"),
    [
        ("POOL_SIZE", "16", True), ("POOL_SIZE", "16; secret", False), ("LOG_LEVEL", "DEBUG", True),
        ("LOG_LEVEL", "debug", False), ("SERVICES", "directory,leads", True), ("SERVICES", "directory,Ana", False),
        ("COMPANY_ZONE", "Europe/Sofia", True), ("COMPANY_ZONE", "Ana", False), ("COMPANY_COUNTRY", "BG", True),
        ("COMPANY_COUNTRY", "Bulgaria", False), ("OTEL_TRACES_SAMPLER_ARG", "0.1", True),
    ],
)  # fmt: skip
def test_a_setting_is_shown_if_it_has_the_shape_it_should_have(name: str, value: str, fits: bool) -> None:
    assert settings.shown({name: value})[name] == (value if fits else settings.ODD)
