"""What both pages share: template, style and script in one file, under a policy that allows nothing else."""

from __future__ import annotations

import base64
import hashlib
import json
from functools import cache
from importlib.resources import files
from typing import Any, NamedTuple

from jinja2 import Environment, FunctionLoader, StrictUndefined, Template
from markupsafe import Markup

from credit_hooks.report.text import signed

__all__ = ["Bar", "bar", "document", "embedded", "sign"]


class Bar(NamedTuple):
    """A signed bar around a centre line, in percent of the width."""

    start: float
    width: float
    sign: str
    text: str


def document(room: str, **values: Any) -> str:
    """The page of a room (`run`, `overview`): its template, filled in; whatever is no `Markup` is escaped."""
    style = _asset("shell.css") + _asset(f"{room}/page.css")
    script = _asset(f"{room}/page.js")
    return _template(f"{room}/page.html.jinja").render(
        policy=f"default-src 'none'; style-src '{_digest(style)}'; script-src '{_digest(script)}'; "
        "base-uri 'none'; form-action 'none'",
        style=Markup(style),  # noqa: S704 - our own file
        script=Markup(script),  # noqa: S704 - our own file
        **values,
    )


def bar(value: float | None, largest: float) -> Bar:
    """The bar of a value, where `largest` fills half the width."""
    half = 0.0 if value is None or not largest else 50 * min(1.0, abs(value) / largest)
    return Bar(50 - half if (value or 0.0) < 0 else 50.0, half, sign(value), signed(value))


def sign(value: float | None) -> str:
    """The style class of a value's sign: pos, neg, zero, or none for None."""
    return "none" if value is None else "pos" if value > 0 else "neg" if value < 0 else "zero"


def embedded(data: Any) -> str:
    """JSON that can stand in a `<script type="application/json">`: no end tag, comment or line separator in it."""
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")


def _digest(source: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(source.encode()).digest()).decode()


@cache
def _asset(name: str) -> str:
    return (files("credit_hooks.report") / name).read_text(encoding="utf-8").replace("\r\n", "\n")


@cache
def _template(name: str) -> Template:
    environment = Environment(
        loader=FunctionLoader(_asset), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    return environment.get_template(name)
