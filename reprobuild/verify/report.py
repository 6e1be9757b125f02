"""The outcome of a check: an answer for every image and for its hooks, and why."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from reprobuild.verify.check import Verdict
from reprobuild.verify.conditions import Conditions
from reprobuild.verify.explanation import Explanation
from reprobuild.verify.hook_verdict import HookVerdict
from reprobuild.verify.rebuild import ImageName

__all__ = ["Report"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """All that a check has found: ``conditions`` of each rebuild, and what could not be varied, with the reason."""

    verdicts: tuple[Verdict, ...]
    hooks: tuple[HookVerdict, ...] = ()
    explanations: Mapping[ImageName, Explanation] = field(default_factory=dict)
    conditions: tuple[Conditions, ...] = ()
    varied: tuple[str, ...] = ()
    unvaried: tuple[tuple[str, str], ...] = ()

    @property
    def is_well(self) -> bool:
        """Whether everything is known to be the same."""
        same = all(verdict.answer == "same" for verdict in self.verdicts)
        return same and all(hook.answer == "pure" for hook in self.hooks)
