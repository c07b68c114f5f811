import dataclasses

import pytest

from credit_hooks.credit import CreditConfig, assign_credit
from credit_hooks.language import ENGLISH, ENTITY, NUMBER, WORD, english_units


def test_units_in_order_with_their_classes():
    assert english_units("The total is 1,234.50 in Seattle (cf. total_sum): about x2y. Next one") == [
        ("the", WORD),
        ("total", WORD),
        ("#1234.5", NUMBER),
        ("seattle", ENTITY),
        ("total_sum", ENTITY),
        ("about", WORD),
        ("x2y", ENTITY),
        ("next", WORD),
        ("one", WORD),
    ]


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("1,000", "1000.0", True),
        ("0.5", ".50", False),  # a leading point may end a sentence
        ("12345678", "12345679", False),
        ("12345678901234567", "12345678901234568", False),
        ("42.", "42", True),
        ("(1,2,3)", "1 2 3", True),
    ],
)
def test_numbers_are_compared_by_value(one, other, same):
    assert (english_units(one) == english_units(other)) is same


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("Traceback (most recent call last):\n  File", "traceback"),
        ("ValueError: no", "traceback"),
        ("exitcode: 1 (execution failed)", "exit_code"),
        ("process exited with code 137", "exit_code"),
        ('{"exit_code": 2}', "exit_code"),
        ("HTTP 503", "http_error"),
        ("HTTP/1.1 404 Not Found", "http_error"),
        ('{"status_code": 500}', "http_error"),
        ("403 Client Error: Forbidden for url", "http_error"),
        ("the request timed out", "timeout"),
        ("exitcode: 0 (execution succeeded)", None),
        ("HTTP 200", None),
        ("There were 404 visitors, in room 500.", None),
        ("an error-free result", None),
    ],
)
def test_hard_errors_are_told_from_mentions(text, rule):
    assert ENGLISH.error_of(text) == rule


@pytest.mark.parametrize("text", ["TERMINATE", "**TERMINATE**", "Next speaker WebSurfer", "", "done."])
def test_terminators_state_nothing(text):
    assert ENGLISH.terminator.search(text)


@pytest.mark.parametrize("text", ["It is 42. TERMINATE", "The speaker is next", "None of them"])
def test_statements_are_no_terminators(text):
    assert not ENGLISH.terminator.search(text)


@pytest.mark.parametrize(
    "text", [r"\boxed{42}", "Therefore it is so", "The final answer: 42", "#### 42", "We conclude"]
)
def test_cues_of_conclusions(text):
    assert ENGLISH.cue.search(text)


def test_another_language_is_one_argument(run_of, said):
    run = run_of(
        said("ada", "Der Betrag ist also 42.", ()),
        said("bob", "Der Betrag ist also 41.", (0,)),
        said("ada", "Der Betrag ist also 42.", (0, 1)),
        score=0.0,
    )
    german = dataclasses.replace(ENGLISH.with_cue(r"\balso\b"), name="de")
    assert assign_credit(run).evidence == 0.0
    assert assign_credit(run, CreditConfig(language=german)).evidence == 1.0


def test_a_configuration_is_data_without_its_language():
    config = CreditConfig(language=ENGLISH.with_cue("x"), level="shapley")
    assert CreditConfig.model_validate_json(config.model_dump_json()).level == "shapley"
    assert "language" not in config.model_dump()
