"""Every registered exporter keeps the public laws; and the laws can be broken."""

from pathlib import Path

import pytest

from credit_hooks import registry
from credit_hooks.testing import EXPORTER_LAWS, check_exporter, sample_run
from credit_hooks_exporters.messages import MessagesExporter


@pytest.mark.parametrize("law", EXPORTER_LAWS, ids=lambda law: law.__name__)
@pytest.mark.parametrize("name", registry.exporters())
def test_exporters_keep_the_laws(name, law, tmp_path, siblings):
    law(registry.exporter(name), siblings, tmp_path)


class Torn(MessagesExporter):
    def write(self, runs, path, **options):
        Path(path).write_text("half")
        return super().write(runs, path, **options)


class Careless(MessagesExporter):
    def write(self, runs, path, **options):
        options.pop("no_such_option", None)
        return super().write(runs, path, **options)


class Miscounting(MessagesExporter):
    def write(self, runs, path, **options):
        return super().write(runs, path, **options).model_copy(update={"runs": 7})


@pytest.mark.parametrize(
    ("exporter", "message"),
    [
        (Torn(), "the old file was touched"),
        (Careless(), "unknown option was accepted"),
        (Miscounting(), "the manifest counts 7 runs of 1"),
    ],
)
def test_broken_exporters_are_found(exporter, message, tmp_path):
    with pytest.raises(AssertionError, match=message):
        check_exporter(exporter, [sample_run()], tmp_path)
