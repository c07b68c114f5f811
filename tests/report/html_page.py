"""A page as a browser would read it, and texts that would break out of it. Loaded by path: tests are no package."""

from __future__ import annotations

import html.parser
import json

HOSTILE = [
    "</script><script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "' onmouseover='alert(1)",
    "{{ 7 * 7 }} {% raw %}",
    "<!--<script>",
    "line\u2028separator\u2029paragraph",
    "user\u202egnp.exe",
    "[bold red]markup[/] **markdown** `code`",
    "\x1b[31mred\x00\x07",
    "half a pair \ud83d",
    "&lt;b&gt; &amp; <b>",
]


class Page(html.parser.HTMLParser):
    """What a browser would make of the page: its elements and the text of each script and style."""

    def __init__(self, source: str) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: list[tuple[str, dict]] = []
        self.raw: list[tuple[str, dict, str]] = []
        self.text = ""
        self.feed(source)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        if tag in ("script", "style"):
            self.raw.append((tag, dict(attrs), ""))

    def handle_data(self, data):
        if self.cdata_elem in ("script", "style"):
            tag, attributes, text = self.raw[-1]
            self.raw[-1] = (tag, attributes, text + data)
        else:
            self.text += data

    @property
    def data(self):
        (text,) = [text for _, attributes, text in self.raw if attributes.get("id") == "data"]
        return json.loads(text)
