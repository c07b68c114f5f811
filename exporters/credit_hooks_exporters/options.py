"""What every training format can be asked for; unknown options are refused by name."""

from __future__ import annotations

from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from credit_hooks.errors import ConfigurationError
from credit_hooks_exporters.seat import Seat

__all__ = ["Options"]

_SEAT: tuple[str, ...] = tuple(Seat.model_fields)


class Options(BaseModel):
    """Options of an export to a training format."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, use_attribute_docstrings=True)

    agents: tuple[str, ...] = ()
    """Only messages of these agents, by id or name. Empty: of all agents."""
    threshold: float = Field(default=0.0, ge=0.0, lt=1.0)
    """Rewards within [-threshold, threshold] are too small to be a lesson."""
    deduplicate: bool = True
    """Leave out rows that say the same as an earlier row. Formats of groups (grpo, art) keep them in any case."""
    unpaired: bool = False
    """KTO only: only failures that have no counterpart, to be learnt beside the pairs of a preference format."""
    low_evidence: bool = True
    """Take runs whose credit rests on provenance alone."""
    container: Literal["jsonl", "parquet"] | None = None
    """JSON lines or Parquet. None: Parquet where the path ends in `.parquet`, JSON lines otherwise."""
    sibling_window: int = Field(default=2000, ge=0)
    """A pair looks for siblings among the last so many runs: what bounds memory."""
    arguments: Literal["dict", "string"] | None = None
    """See `Seat`. None, here and below: as the format needs it."""
    fold_system: bool | None = None
    """See `Seat`."""
    strict_alternation: bool | None = None
    """See `Seat`."""
    tool_turns: Literal["native", "text"] | None = None
    """See `Seat`."""
    prefix: str | None = None
    """See `Seat`."""

    @field_validator("agents", mode="before")
    @classmethod
    def _one_or_several(cls, value: Any) -> Any:
        return (value,) if isinstance(value, str) else value

    @classmethod
    def read(cls, form: str, options: dict[str, Any]) -> Self:
        """Options by name.

        Raises:
            ConfigurationError: one is unknown or has a value that cannot work.
        """
        unknown = sorted(set(options) - set(cls.model_fields))
        if unknown:
            known = ", ".join(cls.model_fields)
            raise ConfigurationError(f"unknown option {', '.join(unknown)} of format {form}; known options: {known}")
        try:
            read = cls.model_validate(options)
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(map(str, first["loc"]))
            raise ConfigurationError(f"option {where} of format {form}: {first['msg']}") from error
        if read.unpaired and form != "trl-kto":
            raise ConfigurationError(f"option unpaired is for format trl-kto, not {form}")
        return read

    def seat(self, default: Seat) -> Seat:
        """How the view is written: as asked for, otherwise as the format needs it."""
        asked = {name: value for name in _SEAT if (value := getattr(self, name)) is not None}
        return default.model_copy(update=asked)
